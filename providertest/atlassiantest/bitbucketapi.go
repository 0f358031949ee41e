package atlassiantest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// token is the token endpoint: a form, and the consumer by HTTP Basic only.
func (s *BitbucketCloud) token(c *providertest.Call) *providertest.Answer {
	key, secret, basic := c.Request.BasicAuth()
	consumer, known := s.consumer(key)
	switch {
	case c.Unreadable != "" || c.Format != "form" || len(c.Repeated) > 0:
		return refuse(c, http.StatusBadRequest, "invalid_request", "unreadable", "The request is no form.")
	case !basic:
		return refuse(c, http.StatusBadRequest, "unauthorized_client", "basic", "Requests must be authenticated using OAuth client credentials")
	case !known, !same(secret, consumer.Secret), s.config.SecretRotated:
		return refuse(c, http.StatusBadRequest, "unauthorized_client", "secret", "Invalid OAuth client credentials")
	}
	c.Record.Client = key
	switch c.Get("grant_type") {
	case "authorization_code":
		return s.redeem(c, consumer)
	case "refresh_token":
		return s.refresh(c, consumer)
	case "client_credentials": // as the consumer's owner
		family, next := s.families.Start(consumer.Key, consumer.Owner, consumer.Scopes, s.Now())
		c.Record.User, c.Record.Family = consumer.Owner, family.ID
		return s.issue(c, family, next)
	}
	return refuse(c, http.StatusBadRequest, "unsupported_grant_type", "grant_type", "Unsupported grant type")
}

func (s *BitbucketCloud) redeem(c *providertest.Call, consumer Consumer) *providertest.Answer {
	code, fault := s.codes.Redeem(c.Get("code"), ledger.Attempt{Client: consumer.Key, AnyVerifier: true}, s.Now())
	if fault != "" {
		if fault == ledger.CodeSpent {
			c.Record.Outcome = providertest.CodeReused
		}
		return refuse(c, http.StatusBadRequest, "invalid_grant", string(fault), "The specified code is not valid.")
	}
	family, next := s.families.Start(consumer.Key, code.User, code.Scopes, s.Now())
	code.Family = family.ID
	c.Record.Outcome, c.Record.User, c.Record.Family = providertest.Redeemed, code.User, family.ID
	return s.issue(c, family, next)
}

func (s *BitbucketCloud) refresh(c *providertest.Call, consumer Consumer) *providertest.Answer {
	family, next, outcome := s.families.Present(c.Get("refresh_token"), consumer.Key, s.Now())
	if family != nil {
		c.Record.Family, c.Record.User = family.ID, family.User
	}
	if !outcome.Good() {
		c.Record.Outcome = providertest.DeadGrant
		return refuse(c, http.StatusBadRequest, "invalid_request", string(outcome), "Invalid refresh_token")
	}
	c.Record.Outcome = providertest.Outcome(outcome)
	return s.issue(c, family, next)
}

// issue answers with a new access token. Its scopes are in a member of their
// own name.
func (s *BitbucketCloud) issue(c *providertest.Call, family *ledger.Family, refresh string) *providertest.Answer {
	token, now := "sandbox-access-"+anyText(60, 90), s.Now()
	s.access.Issue(token, ledger.Access{
		Client: family.Client, User: family.User, Family: family.ID, Scopes: family.Scopes, Issued: now, Expires: now.Add(s.config.AccessLifetime),
	})
	return providertest.JSON(http.StatusOK, map[string]any{
		"access_token": token, "refresh_token": refresh, "token_type": "bearer", "state": c.Get("grant_type"),
		"expires_in": seconds(s.config.AccessLifetime), "scopes": strings.Join(family.Scopes, " "),
	})
}

// needs makes an API endpoint that wants a scope.
func (s *BitbucketCloud) needs(scope string, work func(*providertest.Call, Account) *providertest.Answer) func(*providertest.Call) *providertest.Answer {
	return func(c *providertest.Call) *providertest.Answer {
		access, ok := s.access.Valid(c.Bearer(), s.Now())
		switch {
		case !ok && access.Client != "":
			c.Record.Error = "expired"
			return bitbucketFailure(http.StatusUnauthorized, "Access token expired. Use your refresh token to obtain a new access token.")
		case !ok:
			c.Record.Error = "Unauthorized"
			return bitbucketFailure(http.StatusUnauthorized, "Token is invalid or not supported for this endpoint.")
		case !slices.Contains(access.Scopes, scope):
			c.Record.Error = "scope"
			return providertest.JSON(http.StatusForbidden, map[string]any{"type": "error", "error": map[string]any{
				"message": "Your credentials lack one or more required privilege scopes.",
				"detail":  map[string]any{"required": []string{scope}, "granted": access.Scopes},
			}})
		}
		c.Record.Client, c.Record.User, c.Record.Family = access.Client, access.User, access.Family
		account, _ := s.account(access.User)
		return work(c, account).With("X-OAuth-Scopes", strings.Join(access.Scopes, ", ")).With("X-Accepted-OAuth-Scopes", scope)
	}
}

func (s *BitbucketCloud) user(c *providertest.Call, a Account) *providertest.Answer {
	return providertest.JSON(http.StatusOK, map[string]any{
		"type": "user", "uuid": "{" + strings.TrimPrefix(a.ID, "712020:") + "}", "account_id": a.ID, "username": a.Key, "nickname": a.Key, "display_name": a.Name,
		"account_status": "active", "created_on": s.Now().Add(-365 * 24 * time.Hour).UTC().Format(time.RFC3339),
		"links": map[string]any{"self": map[string]string{"href": c.Base() + "/2.0/users/" + a.Key}},
	})
}

func (s *BitbucketCloud) emails(_ *providertest.Call, a Account) *providertest.Answer {
	return bitbucketList([]map[string]any{
		{"type": "email", "email": a.Key + "@private.example.com", "is_primary": false, "is_confirmed": false},
		{"type": "email", "email": a.Email, "is_primary": true, "is_confirmed": true},
	})
}

func (s *BitbucketCloud) repositories(c *providertest.Call, _ Account) *providertest.Answer {
	if c.Request.PathValue("workspace") != "sandbox" {
		return bitbucketFailure(http.StatusNotFound, "No workspace with identifier '"+c.Request.PathValue("workspace")+"'.")
	}
	return bitbucketList([]map[string]any{{
		"type": "repository", "full_name": "sandbox/recipes", "name": "recipes", "slug": "recipes", "is_private": true, "scm": "git",
		"uuid": "{5a0d0000-0000-4000-8000-0000000000be}", "mainbranch": map[string]string{"type": "branch", "name": "main"},
	}})
}

func bitbucketList(values []map[string]any) *providertest.Answer {
	return providertest.JSON(http.StatusOK, map[string]any{"values": values, "pagelen": 10, "size": len(values), "page": 1})
}

func bitbucketFailure(status int, message string) *providertest.Answer {
	return providertest.JSON(status, map[string]any{"type": "error", "error": map[string]string{"message": message}})
}

package atlassiantest

import (
	"crypto/rand"
	"encoding/base64"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// token is the token endpoint. It reads a form and the query, the documented
// place; with a body of any other kind it breaks down as the real one does.
func (s *DataCenter) token(c *providertest.Call) *providertest.Answer {
	if c.Format != "form" {
		c.Record.Outcome, c.Record.Reason = providertest.Refused, "content_type"
		return providertest.JSON(http.StatusInternalServerError, map[string]any{
			"status-code": http.StatusInternalServerError,
			"message":     "The @FormParam is utilized when the content type of the request entity is not application/x-www-form-urlencoded",
		})
	}
	p, twice := s.params(c)
	if c.Unreadable != "" || twice != "" {
		return s.refuse(c, http.StatusBadRequest, "invalid_request", "unreadable", "The parameters could not be read or came twice: "+twice)
	}
	link, known := s.link(p.Get("client_id"))
	c.Record.Client = p.Get("client_id")
	if !known || s.config.SecretRotated || !same(link.Secret, p.Get("client_secret")) {
		return s.refuse(c, http.StatusUnauthorized, "invalid_client", "secret", "Client authentication failed")
	}
	switch grant := p.Get("grant_type"); {
	case grant == "authorization_code":
		return s.redeem(c, p, link)
	case grant == "refresh_token":
		return s.refresh(c, p, link)
	case grant == "client_credentials" && s.config.ClientCredentials:
		return s.serve(c, p, link)
	default:
		return s.refuse(c, http.StatusBadRequest, "unsupported_grant_type", "grant_type", "Unsupported grant type: "+grant)
	}
}

// params are those of the body and of the URL together; twice names one that
// came more than once.
func (s *DataCenter) params(c *providertest.Call) (all url.Values, twice string) {
	all = url.Values{}
	for _, from := range []url.Values{c.Request.URL.Query(), c.Params} {
		for name, values := range from {
			all[name] = append(all[name], values...)
			if len(all[name]) > 1 {
				twice = name
			}
		}
	}
	return all, twice
}

func (s *DataCenter) redeem(c *providertest.Call, p url.Values, link Link) *providertest.Answer {
	now := s.Now()
	code, fault := s.codes.Redeem(p.Get("code"), ledger.Attempt{
		Client: link.ID, Redirect: p.Get("redirect_uri"), Verifier: p.Get("code_verifier"),
	}, now)
	if fault != "" {
		if fault == ledger.CodeSpent {
			c.Record.Outcome, c.Record.User = providertest.CodeReused, code.User
		}
		return s.refuse(c, http.StatusBadRequest, "invalid_grant", string(fault), "")
	}
	family, next := s.families.Start(link.ID, code.User, code.Scopes, now)
	code.Family = family.ID
	s.redirect.Put(family.ID, code.Redirect)
	c.Record.Outcome, c.Record.User, c.Record.Family = providertest.Redeemed, code.User, family.ID
	return s.issue(family, next, now)
}

// refresh replaces both tokens: the old ones die at this moment.
func (s *DataCenter) refresh(c *providertest.Call, p url.Values, link Link) *providertest.Answer {
	now := s.Now()
	if known, _ := s.families.Peek(p.Get("refresh_token"), now); known != nil {
		c.Record.Family, c.Record.User = known.ID, known.User
		if !s.redirectFits(known.ID, p.Get("redirect_uri")) {
			return s.refuse(c, http.StatusBadRequest, "invalid_grant", "redirect_on_refresh", "")
		}
	}
	family, next, outcome := s.families.Present(p.Get("refresh_token"), link.ID, now)
	if !outcome.Good() {
		c.Record.Outcome = providertest.DeadGrant
		if outcome == ledger.Reused {
			c.Record.Outcome = providertest.Reused
		}
		if family != nil && family.Dead != "" {
			s.forgetAccess(family.ID)
		}
		return s.refuse(c, http.StatusBadRequest, "invalid_grant", string(outcome), "")
	}
	c.Record.Outcome = providertest.Outcome(outcome)
	s.forgetAccess(family.ID)
	return s.issue(family, next, now)
}

// redirectFits reports whether a refresh may go on with this redirect_uri.
func (s *DataCenter) redirectFits(family, sent string) bool {
	bound, _ := s.redirect.Get(family)
	switch s.config.RefreshRedirect {
	case "ignored":
		return true
	case "required":
		return sent == bound
	default:
		return sent == "" || sent == bound
	}
}

func (s *DataCenter) forgetAccess(family string) {
	if token, ok := s.current.Take(family); ok {
		s.access.Forget(token)
	}
}

// issue answers with a new access token beside the refresh token.
func (s *DataCenter) issue(f *ledger.Family, refresh string, now time.Time) *providertest.Answer {
	token := s.grantAccess(f.Client, f.User, f.ID, f.Scopes, now)
	s.current.Put(f.ID, token)
	body := s.tokenBody(token, f.Scopes, now)
	body["refresh_token"] = refresh
	return providertest.JSON(http.StatusOK, body)
}

// serve answers client_credentials: the link's service user, no refresh token.
func (s *DataCenter) serve(c *providertest.Call, p url.Values, link Link) *providertest.Answer {
	scope := s.config.highest(p.Get("scope"))
	if scope == "" || s.config.rank(scope) > s.config.rank(link.Scope) {
		return s.refuse(c, http.StatusBadRequest, "invalid_scope", "scope", "")
	}
	now := s.Now()
	c.Record.User = link.ServiceUser
	return providertest.JSON(http.StatusOK, s.tokenBody(s.grantAccess(link.ID, link.ServiceUser, "", []string{scope}, now), []string{scope}, now))
}

func (s *DataCenter) grantAccess(client, user, family string, scopes []string, now time.Time) string {
	token := idToken()
	s.access.Issue(token, ledger.Access{
		Client: client, User: user, Family: family, Scopes: scopes, Issued: now, Expires: now.Add(s.config.AccessLifetime),
	})
	return token
}

func (s *DataCenter) tokenBody(token string, scopes []string, now time.Time) map[string]any {
	body := map[string]any{
		"access_token": token, "token_type": "bearer",
		"expires_in": seconds(s.config.AccessLifetime), "created_at": now.Unix(),
	}
	if s.config.TokenScope {
		body["scope"] = strings.Join(scopes, " ")
	}
	return body
}

// refuse answers an error; without a description it is the bare word.
func (s *DataCenter) refuse(c *providertest.Call, status int, code, reason, description string) *providertest.Answer {
	answer := refuse(c, status, code, reason, description)
	if description == "" {
		answer = providertest.JSON(status, map[string]string{"error": code})
	}
	return answer
}

// idToken looks like Data Center's access tokens: a JWT that holds an id and
// no more, never twice of the same length.
func idToken() string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"HS256"}`) + "." + part(`{"jti":"`+anyText(16, 64)+`"}`) + "." + part(anyText(32, 33))
}

func patToken() string     { return "sandbox-pat-" + anyText(32, 48) }
func refreshToken() string { return "sandbox-refresh-" + anyText(40, 80) }

// anyText is random text of a random length from least to below most.
func anyText(least, most int) string {
	text := rand.Text()
	for len(text) < most {
		text += rand.Text()
	}
	return text[:least+mathrand.IntN(most-least)]
}

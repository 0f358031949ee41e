package atlassiantest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// token is the token endpoint: JSON or form, unknown fields ignored, the
// secret before everything else.
func (s *Server) token(c *providertest.Call) *providertest.Answer {
	if c.Unreadable != "" || len(c.Repeated) > 0 {
		return refuse(c, http.StatusBadRequest, "invalid_request", "unreadable", "The body could not be read: "+c.Unreadable+strings.Join(c.Repeated, ", "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	app, known := s.apps[c.Get("client_id")]
	service, robot := s.service(c.Get("client_id"))
	if robot {
		app = App{ID: service.ClientID, Secret: service.Secret}
	}
	secretFits := subtle.ConstantTimeCompare([]byte(app.Secret), []byte(c.Get("client_secret"))) == 1
	if !known && !robot || !secretFits || s.config.SecretRotated {
		return refuse(c, http.StatusUnauthorized, "access_denied", "secret", "Unauthorized")
	}
	switch grant := c.Get("grant_type"); {
	case robot && grant == "client_credentials":
		return s.serve(c, service)
	case robot:
		return refuse(c, http.StatusForbidden, "unauthorized_client", "grant_type", "Grant type not allowed for the client: "+grant)
	}
	switch c.Get("grant_type") {
	case "authorization_code":
		return s.redeem(c, app)
	case "refresh_token":
		return s.refresh(c, app)
	default:
		return refuse(c, http.StatusForbidden, "unsupported_grant_type", "grant_type", "Unsupported grant type: "+c.Get("grant_type"))
	}
}

func (s *Server) redeem(c *providertest.Call, app App) *providertest.Answer {
	now := s.Now()
	code, fault := s.codes.Redeem(c.Get("code"), ledger.Attempt{
		Client: app.ID, Redirect: c.Get("redirect_uri"),
		Verifier: c.Get("code_verifier"), AnyVerifier: !s.config.CheckVerifier,
	}, now)
	if fault != "" {
		if fault == ledger.CodeSpent {
			c.Record.Outcome, c.Record.User = providertest.CodeReused, code.User
		}
		c.Record.Reason = string(fault)
		if s.config.DeadGrant == "invalid_grant" {
			return refuse(c, http.StatusForbidden, "invalid_grant", string(fault), "Invalid authorization code")
		}
		return refuse(c, http.StatusBadRequest, "invalid_request", string(fault), "authorization_code is invalid")
	}
	c.Record.Outcome, c.Record.User = providertest.Redeemed, code.User
	var refreshToken string
	if slices.Contains(code.Scopes, offline) {
		var family *ledger.Family
		family, refreshToken = s.families.Start(app.ID, code.User, code.Scopes, now)
		code.Family = family.ID
	}
	c.Record.Family = code.Family
	return s.issue(app, code.User, code.Family, code.Scopes, refreshToken)
}

func (s *Server) refresh(c *providertest.Call, app App) *providertest.Answer {
	now := s.Now()
	family, next, outcome := s.families.Present(c.Get("refresh_token"), app.ID, now)
	if family != nil {
		c.Record.Family, c.Record.User = family.ID, family.User
	}
	if !outcome.Good() {
		c.Record.Outcome = providertest.DeadGrant
		if outcome == ledger.Reused {
			c.Record.Outcome = providertest.Reused // access tokens live on until they expire
		}
		if s.config.DeadGrant == "invalid_grant" {
			return refuse(c, http.StatusForbidden, "invalid_grant", string(outcome), "Unknown or invalid refresh token.")
		}
		return refuse(c, http.StatusForbidden, "unauthorized_client", string(outcome), "refresh_token is invalid")
	}
	c.Record.Outcome = providertest.Outcome(outcome)
	scopes := family.Scopes
	if g := s.grants[pair{app.ID, family.User}]; g != nil {
		scopes = unique(append([]string{offline}, g.Scopes...))
	}
	return s.issue(app, family.User, family.ID, scopes, next)
}

// issue answers with a new access token of a grant.
func (s *Server) issue(app App, user, family string, scopes []string, refreshToken string) *providertest.Answer {
	account, _ := s.account(user)
	return s.answerToken(ledger.Access{Client: app.ID, User: user, Family: family, Scopes: scopes}, account, refreshToken)
}

// answerToken enters an access token and answers with it.
func (s *Server) answerToken(access ledger.Access, account Account, refreshToken string) *providertest.Answer {
	access.Issued = s.Now()
	access.Expires = access.Issued.Add(s.config.AccessLifetime)
	token := jwtLike(access.Client, account.ID, access.Scopes, access.Issued, access.Expires)
	s.access.Issue(token, access)
	answer := map[string]any{
		"access_token": token, "token_type": "Bearer",
		"expires_in": seconds(s.config.AccessLifetime), "scope": strings.Join(access.Scopes, " "),
	}
	if refreshToken != "" {
		answer["refresh_token"] = refreshToken
	}
	return providertest.JSON(http.StatusOK, answer)
}

// jwtLike makes an access token that looks like the real ones: three parts, a
// readable middle, 1 to 2 kB, never twice the same length. Nobody can verify
// its signature; clients are to treat it as opaque.
func jwtLike(app, account string, scopes []string, now, expires time.Time) string {
	filler := make([]byte, 500+mathrand.IntN(500))
	_, _ = rand.Read(filler) // never fails
	signature := make([]byte, 32)
	_, _ = rand.Read(signature)
	part := base64.RawURLEncoding.EncodeToString
	claims, _ := json.Marshal(accessClaims{ // text and numbers always can be
		Issuer: "https://auth.atlassian.com", Audience: "api.atlassian.com", Subject: account, Client: app,
		Issued: now.Unix(), NotBefore: now.Unix(), Expires: expires.Unix(), ID: rand.Text(),
		Scope: strings.Join(scopes, " "), Filler: part(filler),
	})
	return part([]byte(`{"alg":"HS256","kid":"sandbox","typ":"JWT"}`)) + "." + part(claims) + "." + part(signature)
}

// accessClaims are what a nosy client finds in an access token.
type accessClaims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"sub"`
	Client    string `json:"client_id"`
	Issued    int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	ID        string `json:"jti"`
	Scope     string `json:"scope"`
	Filler    string `json:"https://sandbox.invalid/filler"`
}

// refuse answers an error and writes down the finer reason.
func refuse(c *providertest.Call, status int, code, reason, description string) *providertest.Answer {
	c.Record.Error, c.Record.Reason = code, reason
	if c.Record.Outcome == providertest.Pending {
		c.Record.Outcome = providertest.Refused
	}
	return providertest.Fail(status, code, description)
}

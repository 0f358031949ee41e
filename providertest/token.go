package providertest

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// token is the token endpoint (RFC 6749 sections 4.1.3 and 6).
func (s *Server) token(c *Call) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, answer := s.caller(c, s.config.Formats)
	if answer != nil {
		return answer
	}
	switch c.Get("grant_type") {
	case "authorization_code":
		return s.redeem(c, client)
	case "refresh_token":
		return s.refresh(c, client)
	case grantTypeDevice:
		return s.poll(c, client)
	case "":
		return refused(c, http.StatusBadRequest, "invalid_request", "grant_type", "grant_type is missing.")
	default:
		return refused(c, http.StatusBadRequest, "unsupported_grant_type", "grant_type", "Only authorization_code, refresh_token and device_code are supported.")
	}
}

// caller checks what all endpoints for clients have in common: POST, a
// readable body in an accepted format, nothing twice, an authentic client.
func (s *Server) caller(c *Call, formats []string) (Client, *Answer) {
	switch {
	case c.Request.Method != http.MethodPost:
		return Client{}, refused(c, http.StatusMethodNotAllowed, "invalid_request", "method", "Use POST.").With("Allow", http.MethodPost)
	case c.Unreadable != "":
		return Client{}, refused(c, http.StatusBadRequest, "invalid_request", "unreadable", "The body could not be read: "+c.Unreadable+".")
	case !slices.Contains(formats, c.Format):
		return Client{}, refused(c, http.StatusBadRequest, "invalid_request", "format", "The body must be "+strings.Join(formats, " or ")+".")
	case len(c.Repeated) > 0:
		return Client{}, refused(c, http.StatusBadRequest, "invalid_request", "repeated", "Parameters came more than once: "+strings.Join(c.Repeated, " ")+".")
	}
	return s.authenticate(c)
}

func (s *Server) redeem(c *Call, client Client) *Answer {
	now := s.Now()
	code, fault := s.codes.Redeem(c.Get("code"), ledger.Attempt{
		Client: client.ID, Redirect: c.Get("redirect_uri"), Verifier: c.Get("code_verifier"),
	}, now)
	if fault == ledger.CodeSpent {
		// Somebody has stolen it, or the client has: end what came of it.
		c.Record.Outcome, c.Record.User, c.Record.Family = CodeReused, code.User, code.Family
		s.killFamily(code.Family, "its code was presented again")
	}
	if fault != "" {
		return refused(c, http.StatusBadRequest, "invalid_grant", string(fault), "The authorization code is invalid.")
	}
	family, refreshToken := s.families.Start(client.ID, code.User, code.Scopes, now)
	code.Family = family.ID
	if s.config.OfflineScope != "" && !slices.Contains(code.Scopes, s.config.OfflineScope) {
		refreshToken = ""
	}
	c.Record.Outcome, c.Record.User, c.Record.Family = Redeemed, code.User, family.ID
	answer := s.issue(client, family, code.Scopes, refreshToken, now)
	if slices.Contains(code.Scopes, "openid") && !client.Public {
		answer["id_token"] = idToken(s.issuer(c), client, code, now, s.config.AccessLifetime)
	}
	return JSON(http.StatusOK, answer)
}

func (s *Server) refresh(c *Call, client Client) *Answer {
	now := s.Now()
	// Looked at first, so that a request with a wrong scope does not rotate.
	if family, _ := s.families.Peek(c.Get("refresh_token"), now); family != nil && !subset(strings.Fields(c.Get("scope")), family.Scopes) {
		return refused(c, http.StatusBadRequest, "invalid_scope", "scope_widened", "A refresh cannot widen the scope.")
	}
	family, next, outcome := s.families.Present(c.Get("refresh_token"), client.ID, now)
	if family != nil {
		c.Record.Family, c.Record.User = family.ID, family.User
		family.Note(ledger.Try{
			Time: now, Token: c.Get("refresh_token"), Outcome: outcome, By: c.Record.UserAgent, Fault: c.Record.Fault,
		})
	}
	if !outcome.Good() {
		c.Record.Outcome = DeadGrant
		if outcome == ledger.Reused {
			c.Record.Outcome = Reused
			s.killFamily(family.ID, "a rotated token was presented again")
		}
		return refused(c, http.StatusBadRequest, "invalid_grant", string(outcome), "The refresh token is invalid.")
	}
	c.Record.Outcome = Outcome(outcome)
	if outcome == ledger.Kept {
		next = ""
	}
	scopes := strings.Fields(c.Get("scope"))
	if len(scopes) == 0 {
		scopes = family.Scopes
	}
	return JSON(http.StatusOK, s.issue(client, family, scopes, next, now))
}

// issue makes an access token and the members of the answer.
func (s *Server) issue(client Client, family *ledger.Family, scopes []string, refreshToken string, now time.Time) map[string]any {
	token := "test-access-" + rand.Text()
	s.access.Issue(token, ledger.Access{
		Client: client.ID, User: family.User, Family: family.ID, Scopes: scopes,
		Issued: now, Expires: now.Add(s.config.AccessLifetime),
	})
	answer := map[string]any{
		"access_token": token, "token_type": "Bearer",
		"expires_in": int64(s.config.AccessLifetime / time.Second),
	}
	if len(scopes) > 0 {
		answer["scope"] = strings.Join(scopes, " ")
	}
	if refreshToken != "" {
		answer["refresh_token"] = refreshToken
	}
	return answer
}

func subset(some, all []string) bool {
	for _, s := range some {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}

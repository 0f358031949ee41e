package providertest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// userinfo answers the claims of the access token's user.
func (s *Server) userinfo(c *Call) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	access, ok := s.access.Valid(c.Bearer(), s.Now())
	if !ok {
		return unauthorized(c, "")
	}
	c.Record.Client, c.Record.User, c.Record.Family = access.Client, access.User, access.Family
	if need := s.config.UserinfoScope; need != "" && !slices.Contains(access.Scopes, need) {
		return refused(c, http.StatusForbidden, "insufficient_scope", "scope", "The token lacks the scope "+need+".").
			With("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+need+`"`)
	}
	user, _ := s.user(access.User)
	claims := map[string]any{"sub": access.User}
	maps.Copy(claims, user.Claims)
	return JSON(http.StatusOK, claims)
}

// introspect is RFC 7662.
func (s *Server) introspect(c *Call) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, answer := s.caller(c, []string{"form"})
	if answer != nil {
		return answer
	}
	now, token := s.Now(), c.Get("token")
	if access, ok := s.access.Valid(token, now); ok && access.Client == client.ID {
		return JSON(http.StatusOK, map[string]any{
			"active": true, "client_id": access.Client, "username": access.User, "sub": access.User,
			"scope": strings.Join(access.Scopes, " "), "token_type": "Bearer", "iss": s.issuer(c),
			"iat": access.Issued.Unix(), "exp": access.Expires.Unix(),
		})
	}
	if family, ok := s.families.Peek(token, now); ok && family.Client == client.ID {
		return JSON(http.StatusOK, map[string]any{
			"active": true, "client_id": family.Client, "username": family.User, "sub": family.User,
			"scope": strings.Join(family.Scopes, " "), "iss": s.issuer(c),
		})
	}
	return JSON(http.StatusOK, map[string]any{"active": false})
}

// revoke is RFC 7009: a refresh token takes its whole family along, an access
// token only itself, and an unknown token is no error.
func (s *Server) revoke(c *Call) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, answer := s.caller(c, []string{"form"})
	if answer != nil {
		return answer
	}
	now, token := s.Now(), c.Get("token")
	if family, _ := s.families.Peek(token, now); family != nil && family.Client == client.ID {
		c.Record.Family, c.Record.User = family.ID, family.User
		s.killFamily(family.ID, "the client revoked it")
	}
	if access, ok := s.access.Valid(token, now); ok && access.Client == client.ID {
		c.Record.Family, c.Record.User = access.Family, access.User
		s.access.Forget(token)
	}
	return &Answer{Status: http.StatusOK, Header: http.Header{}}
}

package providertest

import (
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authenticate finds out which client is calling and makes sure of it. Exactly
// one way may be used; the secret may never be in the URL (RFC 6749 section
// 2.3.1).
func (s *Server) authenticate(c *Call) (Client, *Answer) {
	switch {
	case c.InQuery("client_secret"), c.InQuery("client_id"):
		return Client{}, refused(c, http.StatusBadRequest, "invalid_request", "secret_in_url", "Client credentials do not belong into the URL.")
	case c.Record.Auth == "both":
		return Client{}, refused(c, http.StatusBadRequest, "multiple_client_credentials", "both_styles", "Only one client authentication method may be used.")
	}
	id, secret, ok := s.credentials(c)
	if !ok {
		return Client{}, s.unknownClient(c, "credentials_unreadable")
	}
	c.Record.Client = id
	client, known := s.clients[id]
	switch style := c.Record.Auth; {
	case !known:
		return Client{}, s.unknownClient(c, "client_unknown")
	case style == AuthBasic && c.Get("client_id") != "" && c.Get("client_id") != id:
		return Client{}, s.unknownClient(c, "two_client_ids")
	case client.Public && style == "none":
		return client, nil
	case client.Public:
		return Client{}, s.unknownClient(c, "public_client_with_secret")
	case style == "none":
		return Client{}, s.unknownClient(c, "no_credentials")
	case !slices.Contains(s.config.AuthStyles, style):
		return Client{}, s.unknownClient(c, "style_not_allowed")
	case style == AuthBearer:
		return client, nil
	case subtle.ConstantTimeCompare([]byte(secret), []byte(client.Secret)) != 1:
		return Client{}, s.unknownClient(c, "secret")
	}
	return client, nil
}

// credentials reads id and secret by the style that was used.
func (s *Server) credentials(c *Call) (id, secret string, ok bool) {
	switch c.Record.Auth {
	case AuthBasic:
		return basicCredentials(c.Request, s.config.RawBasic)
	case AuthBearer:
		if c.Get("grant_type") != "refresh_token" {
			return "", "", false
		}
		access, _ := s.access.Valid(c.Bearer(), s.Now()) // an expired one will do
		return access.Client, "", access.Client != ""
	default:
		return c.Get("client_id"), c.Get("client_secret"), true
	}
}

// basicCredentials reads the Authorization header: base64 around id and
// secret, each of them form-encoded first. The header is taken apart here and
// not by net/http, so that an id with a colon survives.
func basicCredentials(r *http.Request, raw bool) (id, secret string, ok bool) {
	scheme, encoded, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	id, secret, ok = strings.Cut(string(plain), ":")
	if !ok || raw {
		return id, secret, ok
	}
	id, idErr := url.QueryUnescape(id)
	secret, secretErr := url.QueryUnescape(secret)
	return id, secret, idErr == nil && secretErr == nil
}

func (s *Server) unknownClient(c *Call, reason string) *Answer {
	answer := refused(c, http.StatusUnauthorized, "invalid_client", reason, "Client authentication failed.")
	if c.Request.Header.Get("Authorization") != "" {
		answer.With("WWW-Authenticate", `Basic realm="token"`) // RFC 6749 section 5.2
	}
	return answer
}

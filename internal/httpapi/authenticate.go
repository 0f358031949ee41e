package httpapi

import (
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// authenticate finds the caller by the API key.
func (c *call) authenticate() error {
	key, err := apiKey(c.req.Header.Values("Authorization"))
	if err != nil {
		return err
	}
	caller, err := c.Broker.Authenticate(c.ctx(), key)
	if err != nil {
		return err
	}
	c.view, c.key = c.Broker.As(caller), key
	return nil
}

// apiKey reads the Authorization header. The published SDKs send the bare key, everybody else sends
// "Bearer" before it (RFC 6750; the scheme has no case, RFC 9110 section 11.1).
func apiKey(headers []string) (secret.String, error) {
	if len(headers) > 1 {
		return secret.String{}, keybearer.Errorf(keybearer.Unauthenticated, "More than one Authorization header")
	}
	text := ""
	if len(headers) == 1 {
		text = strings.TrimSpace(headers[0])
	}
	if scheme, rest, found := strings.Cut(text, " "); strings.EqualFold(scheme, "bearer") && (found || rest == "") {
		text = strings.TrimSpace(rest)
	}
	if text == "" {
		return secret.String{}, keybearer.Errorf(keybearer.Unauthenticated, "Missing Authorization header")
	}
	return secret.New(text), nil
}

package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/keybearer/keybearer/secret"
)

// Client is one client registered at one provider. It is safe for concurrent use as long as its
// fields are not changed.
//
// Every request is sent once and ends after 20 seconds, redirects are never followed, and of an
// answer at most 1 MiB is read. Errors of the methods that send requests are of the type [*Error].
type Client struct {
	Definition *Definition
	ID         string
	// Secret is empty for a public client.
	Secret      secret.String
	RedirectURI string
	// State is the state of the flow whose code is exchanged, for the few providers that want it once
	// more ({{state}} in token_request). It is kept out of what an exchange makes us say.
	State secret.String
	// HTTP carries the requests; nil means [http.DefaultClient]. Only its Transport matters: there are
	// no redirects to follow and no cookies to keep.
	HTTP *http.Client
	// Now is the clock for expiries; nil means time.Now.
	Now func() time.Time
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func (c *Client) transport() http.RoundTripper {
	switch {
	case c.HTTP != nil && c.HTTP.Transport != nil:
		return c.HTTP.Transport
	case http.DefaultClient.Transport != nil:
		return http.DefaultClient.Transport
	}
	return http.DefaultTransport
}

// NewVerifier draws a PKCE code verifier: 43 characters, 256 random bits (RFC 7636 section 4.1).
func NewVerifier() secret.String {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return secret.New(base64.RawURLEncoding.EncodeToString(b))
}

func challenge(verifier secret.String) string {
	sum := sha256.Sum256([]byte(verifier.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

package atlassiantest

import (
	"net/http"

	"github.com/keybearer/keybearer/providertest"
)

// Running is a server that listens on loopback until its test ends.
type Running struct {
	*Server
	URL    string       // scheme, host and port, without a slash at the end
	Client *http.Client // trusts the server's certificate; follows redirects
}

// Start runs a server over plain HTTP for the length of a test.
func Start(t providertest.TB, c Config) *Running {
	t.Helper()
	s := New(c)
	url, client := s.Listen(t, s, false)
	return &Running{s, url, client}
}

// StartTLS is [Start] over TLS, with a certificate that only Client trusts.
func StartTLS(t providertest.TB, c Config) *Running {
	t.Helper()
	s := New(c)
	url, client := s.Listen(t, s, true)
	return &Running{s, url, client}
}

package providertest

import (
	"net/http"
	"net/http/httptest"
)

// TB is the part of testing.TB that ends a server with its test.
type TB interface {
	Helper()
	Cleanup(func())
}

// Listen serves h, which has to be this bench's server, on a free loopback
// port until the test ends, and returns its URL (without a slash at the end)
// and a client that trusts its certificate. With secure it speaks TLS, HTTP/2
// included. At the end everything that is held is released first.
func (b *Bench) Listen(t TB, h http.Handler, secure bool) (url string, client *http.Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		b.Heal()
		server.Close()
	})
	return server.URL, server.Client()
}

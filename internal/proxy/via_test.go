package proxy_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/keybearer/keybearer/internal/ca"
	"github.com/keybearer/keybearer/internal/proxy"
)

// corporate is a proxy before ours: it wants a name and a password, and finds hosts where it is told to.
type corporate struct {
	url   *url.URL
	hosts map[string]string // "host:port" to an address

	mu    sync.Mutex
	asked []string
}

func (c *corporate) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.asked...)
}

func newCorporate(t *testing.T, scheme string, hosts map[string]string) *corporate {
	t.Helper()
	c := &corporate{hosts: hosts, url: &url.URL{Scheme: scheme, User: url.UserPassword("corp", "corp-secret")}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.url.Host = l.Addr().String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return c
}

func (c *corporate) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	to, ok := "", false
	if c.url.Scheme == "socks5" {
		to, ok = c.socks(conn, r)
	} else {
		to, ok = c.http(conn, r)
	}
	if !ok {
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(conn, far); _ = conn.Close() })
	_, _ = io.Copy(far, r)
	_ = far.Close()
	back.Wait()
}

func (c *corporate) find(host string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, host)
	to, ok := c.hosts[host]
	return to, ok
}

func (c *corporate) http(conn net.Conn, r *bufio.Reader) (string, bool) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return "", false
	}
	if req.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("corp:corp-secret")) {
		_, _ = io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
		return "", false
	}
	to, ok := c.find(req.Host)
	if !ok {
		_, _ = io.WriteString(conn, "HTTP/1.1 403 Not here\r\nContent-Length: 0\r\n\r\n")
		return "", false
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	return to, true
}

func (c *corporate) socks(conn net.Conn, r *bufio.Reader) (string, bool) {
	read := func(n int) []byte { b := make([]byte, n); _, _ = io.ReadFull(r, b); return b }
	read(int(read(2)[1]))
	_, _ = conn.Write([]byte{5, 2})
	read(1)
	name := read(int(read(1)[0]))
	word := read(int(read(1)[0]))
	if string(name) != "corp" || string(word) != "corp-secret" {
		_, _ = conn.Write([]byte{1, 1})
		return "", false
	}
	_, _ = conn.Write([]byte{1, 0})
	read(4)
	host := read(int(read(1)[0]))
	port := read(2)
	to, ok := c.find(fmt.Sprintf("%s:%d", host, int(port[0])<<8|int(port[1])))
	if !ok {
		_, _ = conn.Write([]byte{5, 2, 0, 1, 0, 0, 0, 0, 0, 0})
		return "", false
	}
	_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	return to, true
}

// named starts a TLS server with a certificate for a name, and trusts it.
func named(t *testing.T, roots *x509.CertPool, name string, h http.HandlerFunc) string {
	t.Helper()
	authority, err := ca.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Leaf(name)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*leaf}}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	roots.AppendCertsFromPEM(authority.PEM())
	return s.Listener.Addr().String()
}

func (l *lab) to(rawURL string, headers ...string) *http.Request {
	l.t.Helper()
	req := l.request(http.MethodGet, "/", nil, headers...)
	u, err := url.Parse(rawURL)
	if err != nil {
		l.t.Fatal(err)
	}
	req.URL, req.Host = u, ""
	return req
}

func TestTheProxyBeforeUsIsUsed(t *testing.T) {
	for _, scheme := range []string{"http", "socks5"} {
		var before *corporate
		l := newLab(t, echo, func(l *lab, cfg *proxy.Config) {
			api := named(t, cfg.Roots, "api.hooli.example", echo)
			other := named(t, cfg.Roots, "other.example", echo)
			before = newCorporate(t, scheme, map[string]string{"api.hooli.example:443": api, "other.example:443": other})
			cfg.Upstream = func(*url.URL) (*url.URL, error) { return before.url, nil }
			r := l.hooli()
			r.API.Hosts = []string{"*.hooli.example"}
			l.store.put(r, canary)
		})
		for _, h2 := range []bool{false, true} {
			if r := l.do(l.clientOf(h2), l.to("https://api.hooli.example/")); r.text != "Bearer "+canary+"||" {
				t.Errorf("%s: got %d %q", scheme, r.StatusCode, r.text)
			}
		}
		c := l.client() // a tunnel, in which the agent sees the host's own certificate
		c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: l.roots}
		if r := l.do(c, l.to("https://other.example/", "Authorization", "Bearer own")); r.text != "Bearer own||" {
			t.Errorf("%s: got %d %q", scheme, r.StatusCode, r.text)
		}
		_, res := l.connect("unknown.example:443")
		if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusBadGateway || !strings.Contains(string(text), "HTTPS_PROXY") || strings.Contains(string(text), "corp-secret") {
			t.Errorf("%s: what it refuses is answered with %s %s", scheme, res.Status, text)
		}
		if _, res := l.connect("localhost:443"); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: loopback behind it was answered with %s", scheme, res.Status)
		}
		before.url.User = url.UserPassword("corp", "wrong")
		if _, res := l.connect("other.example:443"); res.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: with a wrong password: %s", scheme, res.Status)
		}
		if got := len(before.seen()); got != 4 {
			t.Errorf("%s: it was asked for %q", scheme, before.seen())
		}
	}
}

func TestUpstreamsWithoutAValidCertificateGetNothing(t *testing.T) {
	reached := false
	untrusted := func(t *testing.T) string {
		return named(t, x509.NewCertPool(), "api.hooli.example", func(http.ResponseWriter, *http.Request) { reached = true })
	}
	l := newLab(t, echo, func(l *lab, cfg *proxy.Config) {
		wrongName := named(t, cfg.Roots, "other.example", func(http.ResponseWriter, *http.Request) { reached = true })
		before := newCorporate(t, "http", map[string]string{"api.hooli.example:443": untrusted(t), "www.hooli.example:443": wrongName})
		cfg.Upstream = func(*url.URL) (*url.URL, error) { return before.url, nil }
		r := l.hooli()
		r.API.Hosts = []string{"*.hooli.example"}
		l.store.put(r, canary)
	})
	for _, host := range []string{"api.hooli.example", "www.hooli.example"} {
		r := l.do(l.client(), l.to("https://"+host+"/"))
		wantRefused(t, r, 502, proxy.CodeUpstreamTLS)
	}
	if reached {
		t.Error("a request was sent")
	}
}

// Hosts in all spellings: which are the one that the connection serves, and which are not.
func TestHostsAreMatchedOnTheBoundariesOfLabels(t *testing.T) {
	for _, c := range []struct {
		served string
		asked  map[string]bool
	}{
		{"api.hooli.example", map[string]bool{
			"api.hooli.example:443": true, "API.Hooli.EXAMPLE:443": true, "api.hooli.example.:443": true,
			"x.api.hooli.example:443": false, "hooli.example:443": false, "api.hooli.example:8443": false, "xapi.hooli.example:443": false,
			"api.hooli.example.evil.example:443": false, "api-hooli.example:443": false,
		}},
		{"*.hooli.example", map[string]bool{
			"api.hooli.example:443": true, "a.b.hooli.example:443": true, "hooli.example:443": false, "xhooli.example:443": false,
			"hooli.example.evil.example:443": false, "api.hooli.example:8443": false, "*.hooli.example:443": false,
		}},
		{"api.hooli.example:8443", map[string]bool{"api.hooli.example:8443": true, "api.hooli.example:443": false}},
		{"*.hooli.example:8443", map[string]bool{"api.hooli.example:8443": true, "api.hooli.example:443": false}},
		{"*.example", map[string]bool{"api.example:443": false}},
		{"[2001:db8::1]:443", map[string]bool{"[2001:db8::1]:443": true, "[2001:db8:0:0::1]:443": true, "[2001:DB8::1]:443": true, "[2001:db8::2]:443": false}},
		{"*.0.0.1", map[string]bool{"127.0.0.1:443": false}},
		{"http://api.hooli.example", map[string]bool{"api.hooli.example:443": false, "api.hooli.example:80": false}},
	} {
		l := newLab(t, echo, func(l *lab, cfg *proxy.Config) {
			before := newCorporate(t, "http", nil) // so that nothing is reached but by interception
			cfg.Upstream = func(*url.URL) (*url.URL, error) { return before.url, nil }
			r := l.hooli()
			r.API.Hosts = []string{c.served}
			l.store.put(r, canary)
		})
		for asked, want := range c.asked {
			_, res := l.connect(asked)
			if got := res.StatusCode == http.StatusOK; got != want {
				t.Errorf("%s served, %s asked: intercepted %v, want %v (%s)", c.served, asked, got, want, res.Status)
			}
		}
	}
}

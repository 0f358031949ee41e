package proxy_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/keybearer/keybearer/internal/proxy"
)

// Requests that one side could read in another way than the other. Each is sent as it stands, behind a CONNECT
// to the upstream; %[1]s is the upstream's host, %[2]s the placeholder.
func smuggled() []struct {
	name, raw string
	status    int // 0: the connection may end, or the answer be any refusal
	code      proxy.Code
} {
	const auth = "Authorization: Bearer %[2]s\r\n"
	return []struct {
		name, raw string
		status    int
		code      proxy.Code
	}{
		{"another Host", "GET / HTTP/1.1\r\nHost: evil.example\r\n" + auth + "\r\n", 421, proxy.CodeHostMismatch},
		{"another port in Host", "GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n" + auth + "\r\n", 421, proxy.CodeHostMismatch},
		{"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n" + auth + "\r\n", 421, proxy.CodeHostMismatch},
		{"no Host", "GET / HTTP/1.1\r\n" + auth + "\r\n", 400, ""},
		{"no Host in 1.0", "GET / HTTP/1.0\r\n" + auth + "\r\n", 421, proxy.CodeHostMismatch},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: %[1]s\r\nHost: evil.example\r\n" + auth + "\r\n", 400, ""},
		{"a Host with a user", "GET / HTTP/1.1\r\nHost: a@%[1]s\r\n" + auth + "\r\n", 0, proxy.CodeHostMismatch},
		{"absolute-form to another host", "GET https://evil.example/ HTTP/1.1\r\nHost: %[1]s\r\n" + auth + "\r\n", 421, proxy.CodeHostMismatch},
		{"absolute-form with http", "GET http://%[1]s/ HTTP/1.1\r\nHost: %[1]s\r\n" + auth + "\r\n", 400, proxy.CodeBadRequest},
		{"absolute-form with a user", "GET https://a:b@%[1]s/ HTTP/1.1\r\nHost: %[1]s\r\n" + auth + "\r\n", 400, proxy.CodeBadRequest},
		{"CONNECT within", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n" + auth + "\r\n", 400, proxy.CodeBadRequest},
		{"dot segments", "GET /a/../b HTTP/1.1\r\nHost: %[1]s\r\n" + auth + "\r\n", 400, proxy.CodePath},
		{"escaped dots", "GET /a/%%2e%%2e/b HTTP/1.1\r\nHost: %[1]s\r\n" + auth + "\r\n", 400, proxy.CodePath},
		{"escaped slash behind dots", "GET /a/..%%2fb HTTP/1.1\r\nHost: %[1]s\r\n" + auth + "\r\n", 400, proxy.CodePath},
		{"escaped twice", "GET /a/%%252e%%252e%%252fb HTTP/1.1\r\nHost: %[1]s\r\n" + auth + "\r\n", 400, proxy.CodePath},
		{"a backslash", "GET /a/..%%5cb HTTP/1.1\r\nHost: %[1]s\r\n" + auth + "\r\n", 400, proxy.CodePath},
		{"dots with a parameter", "GET /a/..;x=y/b HTTP/1.1\r\nHost: %[1]s\r\n" + auth + "\r\n", 400, proxy.CodePath},
		{"two lengths", "POST / HTTP/1.1\r\nHost: %[1]s\r\nContent-Length: 1\r\nContent-Length: 2\r\n" + auth + "\r\nab", 400, ""},
		{"a length that is no number", "POST / HTTP/1.1\r\nHost: %[1]s\r\nContent-Length: +1\r\n" + auth + "\r\na", 400, ""},
		{"two codings", "POST / HTTP/1.1\r\nHost: %[1]s\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" + auth + "\r\n0\r\n\r\n", 0, ""},
		{"an unknown coding", "POST / HTTP/1.1\r\nHost: %[1]s\r\nTransfer-Encoding: xchunked\r\n" + auth + "\r\n0\r\n\r\n", 501, ""},
		{"a space before the colon", "GET / HTTP/1.1\r\nHost: %[1]s\r\nAuthorization : Bearer %[2]s\r\n\r\n", 400, ""},
		{"a folded header", "GET / HTTP/1.1\r\nHost: %[1]s\r\nX-A: b\r\n Authorization: Bearer own\r\n" + auth + "Authorization: Bearer own\r\n\r\n", 400, proxy.CodeTwo},
		{"a NUL", "GET / HTTP/1.1\r\nHost: %[1]s\r\nX-A: a\x00b\r\n" + auth + "\r\n", 400, ""},
		{"a bare CR", "GET / HTTP/1.1\r\nHost: %[1]s\r\nX-A: a\rX-B: b\r\n" + auth + "\r\n", 400, ""},
		{"the credential twice", "GET / HTTP/1.1\r\nHost: %[1]s\r\n" + auth + "AUTHORIZATION: Bearer own\r\n\r\n", 400, proxy.CodeTwo},
		{"a header without end", "GET / HTTP/1.1\r\nHost: %[1]s\r\nX-A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", 431, ""},
		{"ever more headers", "GET / HTTP/1.1\r\nHost: %[1]s\r\n" + strings.Repeat("X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 10_000) + "\r\n", 431, ""},
		{"a target without end", "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: %[1]s\r\n\r\n", 431, ""},
		{"HTTP/2 without TLS's word", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, ""},
		{"no HTTP", "EHLO evil.example\r\n\r\n", 400, ""},
	}
}

func TestWhatCouldBeReadInTwoWaysReachesNobody(t *testing.T) {
	var mu sync.Mutex
	var reached []string
	l := newLab(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		reached = append(reached, r.Method+" "+r.Host+r.RequestURI)
	}, nil)
	for _, c := range smuggled() {
		t.Run(c.name, func(t *testing.T) {
			conn := l.inside()
			defer conn.Close()
			var sending sync.WaitGroup
			sending.Go(func() { _, _ = fmt.Fprintf(conn, c.raw, l.host(), l.agent.Env["HOOLI_TOKEN"]) })
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil {
				text, _ := io.ReadAll(res.Body)
				switch {
				case res.StatusCode < 400, c.status != 0 && res.StatusCode != c.status:
					t.Errorf("got %s %q, want %d", res.Status, text, c.status)
				case res.Header.Get(proxy.HeaderError) != string(c.code) && c.status != 0:
					t.Errorf("got the code %q (%s), want %q", res.Header.Get(proxy.HeaderError), text, c.code)
				}
			} else if c.status != 0 {
				t.Errorf("got no answer: %v", err)
			}
			_ = conn.Close()
			sending.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(reached) > 0 {
				t.Errorf("it reached the upstream: %q", reached)
			}
			reached = nil
		})
	}
}

// A message with both a length and a coding has the coding's, and is one message to everybody: it is framed
// anew.
func TestAMessageIsFramedAnew(t *testing.T) {
	var mu sync.Mutex
	var reached []string
	l := newLab(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		reached = append(reached, fmt.Sprintf("%s %s %q %v %d", r.Method, r.RequestURI, body, err, r.ContentLength))
	}, nil)
	conn := l.inside()
	inner := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	_, _ = fmt.Fprintf(conn, "POST /both HTTP/1.1\r\nHost: %s\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", l.host(), len(inner), inner)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %v (%v)", res, err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = conn.Close()
	mu.Lock()
	defer mu.Unlock()
	if want := fmt.Sprintf("POST /both %q <nil> -1", inner); len(reached) != 1 || reached[0] != want {
		t.Errorf("the upstream got %q, want %q", reached, want)
	}
}

// Headers that are about the agent's connection stay on it, and cannot take the credential off.
func TestHeadersOfOneConnectionStayOnIt(t *testing.T) {
	var seen http.Header
	closed := true
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		seen, closed = r.Header.Clone(), r.Close
		w.Header().Set("Keybearer-Error", "forged")
		w.Header().Set("Alt-Svc", `h3=":443"`)
		w.Header().Set("X-Kept", "yes")
		w.Header().Set("X-Hop", "no")
		w.Header().Set("Connection", "X-Hop")
	}, nil)
	conn := l.inside()
	_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close, Authorization, X-Own\r\nAuthorization: Bearer own\r\nX-Own: 1\r\nProxy-Authorization: Basic abc\r\nProxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nX_Api_Key: own\r\nTE: gzip\r\n\r\n", l.host())
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	if seen.Get("Authorization") != "Bearer "+canary {
		t.Errorf("the upstream got Authorization %q", seen.Get("Authorization"))
	}
	for _, name := range []string{"X-Own", "Proxy-Authorization", "Proxy-Connection", "Keep-Alive", "Connection", "X_api_key", "Te", "User-Agent", "X-Forwarded-For"} {
		if seen[name] != nil {
			t.Errorf("the upstream got %s: %q", name, seen[name])
		}
	}
	if closed {
		t.Error("the agent's Connection: close went to the upstream, which ruins its pool")
	}
	if res.Header.Get(proxy.HeaderError) != "" || res.Header.Get("Alt-Svc") != "" || res.Header.Get("X-Hop") != "" || res.Header.Get("X-Kept") != "yes" {
		t.Errorf("the agent got %v", res.Header)
	}
}

func TestAHandshakeForAnotherHostIsRefused(t *testing.T) {
	l := newLab(t, echo, nil)
	c, _ := l.connect(l.host())
	err := tls.Client(c, &tls.Config{RootCAs: l.ca.Pool(), ServerName: "evil.example"}).Handshake()
	if err == nil {
		t.Fatal("the handshake went well")
	}
	if i := l.audit(1)[0]; !strings.Contains(i.Reason, "evil.example") || i.Outcome == "ok" {
		t.Errorf("the audit says %+v", i)
	}
}

func TestAProgramThatDoesNotTrustTheRunIsInTheLog(t *testing.T) {
	l := newLab(t, echo, nil)
	c, _ := l.connect(l.host())
	if err := tls.Client(c, &tls.Config{ServerName: "127.0.0.1"}).Handshake(); err == nil {
		t.Fatal("the handshake went well")
	}
	_, _ = io.Copy(io.Discard, c) // until the proxy has hung up
	if !strings.Contains(l.log.String(), "does not take the certificate of the run") {
		t.Errorf("the log says %s", l.log)
	}
}

func TestConnectNeedsAHostAndAPort(t *testing.T) {
	l := newLab(t, echo, nil)
	for _, to := range []string{"api.example.com", "api.example.com:", ":443", "api.example.com:0", "api.example.com:65536", "api.example.com:0443", "a..b:443", "2130706433:443", "0x7f.1:443", "[::1]", "::1:443", "[fe80::1%25eth0]:443", "b\xc3\xbccher.example:443", "user@host:443"} {
		if _, res := l.connect(to); res.StatusCode != http.StatusBadRequest {
			t.Errorf("CONNECT %s was answered with %s", to, res.Status)
		}
	}
}

func TestConnectToAddressesThatNobodyMeansIsRefused(t *testing.T) {
	l := newLab(t, echo, func(l *lab, cfg *proxy.Config) {
		r := l.hooli()
		r.API.Hosts = []string{"api.hooli.example"}
		l.store.put(r, canary)
		cfg.Private = true
		cfg.Policy = rules{{host: "169.254", near: true}}
	})
	for _, to := range []string{l.host(), "localhost:1", "x.localhost:1", "LOCALHOST.:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "0.0.0.0:1", "169.254.169.254:80", "[fd00:ec2::254]:80"} {
		_, res := l.connect(to)
		text, err := io.ReadAll(res.Body)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusForbidden || res.Header.Get(proxy.HeaderError) != string(proxy.CodeAddress) || strings.Contains(string(text), "policy.yaml") == strings.Contains(string(text), "metadata") || strings.Contains(string(text), "out of reach") {
			t.Errorf("CONNECT %s was answered with %s: %s", to, res.Status, text)
		}
	}
	l.audit(9)
}

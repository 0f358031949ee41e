package oauth_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

// calls are all methods that send a request with a secret in it.
func calls(c *oauth.Client) map[string]func(context.Context) error {
	c.Definition.RevokeRequest = &oauth.Request{Endpoint: c.Definition.TokenRequest.Endpoint}
	c.Definition.TokenIntrospectionRequest = &oauth.Introspection{Request: oauth.Request{Endpoint: c.Definition.TokenRequest.Endpoint}}
	access, refresh := secret.New("access-canary"), secret.New("refresh-canary")
	return map[string]func(context.Context) error{
		"exchange": func(ctx context.Context) error {
			_, err := c.Exchange(ctx, secret.New("code-canary"), secret.New("verifier-canary"), nil)
			return err
		},
		"refresh": func(ctx context.Context) error {
			_, err := c.Refresh(ctx, refresh, access, nil)
			return err
		},
		"user info": func(ctx context.Context) error {
			_, err := c.UserInfo(ctx, access)
			return err
		},
		"introspect": func(ctx context.Context) error {
			_, err := c.Introspect(ctx, oauth.TokenResponse{AccessToken: access})
			return err
		},
		"revoke": func(ctx context.Context) error { return c.Revoke(ctx, refresh, access) },
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := newDesk(t, goodAnswer)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{elsewhere.URL, "/", "?x=1", "", "://", "https://a b/"} {
			d := newDesk(t, "")
			d.Status, d.Header = status, http.Header{"Location": {location}}
			client := d.client()
			client.HTTP = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
			for name, call := range calls(client) {
				before := d.requests()
				err := call(t.Context())
				var e *oauth.Error
				if !errors.As(err, &e) || e.Class != oauth.Misconfigured || e.Status != status || !strings.Contains(err.Error(), "not followed") {
					t.Errorf("%s, %d to %q: got %v, want a refusal", name, status, location, err)
				}
				want := 1
				if name == "revoke" { // two tokens
					want = 2
				}
				if got := d.requests() - before; got != want {
					t.Errorf("%s, %d to %q: got %d requests, want %d", name, status, location, got, want)
				}
			}
		}
	}
	if elsewhere.requests() != 0 {
		t.Errorf("%d requests went elsewhere", elsewhere.requests())
	}
}

// silent takes a connection and nothing more. It can be used inside a synctest bubble, where time
// goes on when everybody waits.
type silent struct{}

func (silent) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, context.Cause(req.Context())
}

func TestEndpointThatNeverAnswersIsGivenUpAfter20Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &oauth.Client{Definition: definitionAt("https://login.example.com"), HTTP: &http.Client{Transport: silent{}, Timeout: time.Hour}}
		for name, call := range calls(client) {
			start := time.Now()
			err := call(t.Context())
			want := 20 * time.Second
			if name == "revoke" { // two tokens
				want *= 2
			}
			if got := time.Since(start); got != want || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 20s") {
				t.Errorf("%s: got %v after %s, want to give up after %s", name, err, got, want)
			}
		}
	})
}

func TestHeldRequestEnds(t *testing.T) {
	for _, fault := range held() {
		p := newProvider(t, providertest.Config{})
		code, verifier := p.consent("read")
		p.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			if err := p.server.History().AwaitCalls(ctx, providertest.Token, 1); err != nil {
				t.Errorf("waiting for the request: %v", err)
			}
		}()
		_, err := p.client.Exchange(ctx, code, verifier, nil)
		var e *oauth.Error
		if !errors.As(err, &e) || e.Class != oauth.Transient || !e.Uncertain || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want an uncertain end", fault, err)
		}
	}
}

func TestDeadlineOfTheCallerCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &oauth.Client{Definition: definitionAt("https://login.example.com"), HTTP: &http.Client{Transport: silent{}}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := client.Refresh(ctx, secret.New("refresh-canary"), secret.String{}, nil)
		if time.Since(start) != time.Second || !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "20s") {
			t.Errorf("got %v after %s, want the caller's deadline", err, time.Since(start))
		}
	})
}

func TestUnreachableEndpointHasSpentNothing(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	guarded := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("the address 10.0.0.1 is private: list it under security.allow_networks")
	}}}
	for name, c := range map[string]struct {
		base, says string
		http       *http.Client
	}{
		"closed port":   {closed.URL, "connection refused", nil},
		"no trust":      {untrusted.URL, "certificate", nil},
		"not TLS":       {strings.Replace(plain.URL, "http:", "https:", 1), "TLS handshake", nil},
		"guard refused": {"https://login.example.com", "list it under security.allow_networks", guarded},
	} {
		client := &oauth.Client{Definition: definitionAt(c.base), HTTP: c.http, Secret: secret.New("client-canary")}
		for method, call := range calls(client) {
			err := call(t.Context())
			var e *oauth.Error
			if !errors.As(err, &e) || e.Class != oauth.Transient || e.Uncertain || e.Status != 0 || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: got %v, want a certain failure that says %s", name, method, err, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("%s, %s: a secret in %v", name, method, err)
			}
		}
	}
}

// rawServer answers each request with these bytes and closes.
func rawServer(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(conn, answer)
			}
			_ = conn.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// net/http quotes what it cannot read; a fresh token may be in it, which nobody knows to take out.
func TestBrokenHTTPIsNotQuoted(t *testing.T) {
	for name, answer := range map[string]string{
		"no HTTP":     "access_token=fresh-canary\r\n\r\n",
		"bad status":  "HTTP/1.1 fresh-canary OK\r\n\r\n",
		"bad header":  "HTTP/1.1 200 OK\r\nfresh-canary\r\n\r\n",
		"bad length":  "HTTP/1.1 200 OK\r\nContent-Length: fresh-canary\r\n\r\n",
		"bad chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfresh-canary\r\n",
		"bad gzip":    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nfresh-canary",
		"long header": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("fresh-canary", 1<<20) + "\r\n\r\n",
	} {
		client := &oauth.Client{Definition: definitionAt(rawServer(t, answer))}
		for method, call := range calls(client) {
			err := call(t.Context())
			var e *oauth.Error
			if !errors.As(err, &e) || e.Class != oauth.Transient || !e.Uncertain || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s, %s: got %v, want an uncertain failure without what was received", name, method, err)
			}
		}
	}
}

// A refusal counts although its body broke off.
func TestStatusOfACutRefusalCounts(t *testing.T) {
	client := &oauth.Client{Definition: definitionAt(rawServer(t, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n{\"error\":"))}
	_, err := client.Refresh(t.Context(), secret.New("r"), secret.String{}, nil)
	var e *oauth.Error
	if !errors.As(err, &e) || e.Status != 401 || e.Class != oauth.Misconfigured {
		t.Errorf("got %v, want the refusal", err)
	}
}

// The transport repeats a GET when a kept connection is closed under it, unless we keep it from doing so.
func TestCodeIsPresentedOnceEvenByGET(t *testing.T) {
	var arrived atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if arrived.Add(1) == 1 {
			_, _ = io.WriteString(w, goodAnswer)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	client := &oauth.Client{Definition: definitionAt(server.URL), HTTP: server.Client()}
	client.Definition.TokenRequest.Method = http.MethodGet
	exchange := calls(client)["exchange"]
	if err := exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := exchange(t.Context()); err == nil {
		t.Error("got a token over the closed connection")
	}
	if got := arrived.Load(); got != 2 {
		t.Errorf("got %d requests for two exchanges", got)
	}
}

func TestGETHasNoBodyOverHTTP2(t *testing.T) {
	var body []byte
	var proto string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		proto = r.Proto
		_, _ = io.WriteString(w, goodAnswer)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := &oauth.Client{Definition: definitionAt(server.URL), HTTP: server.Client()}
	client.Definition.TokenRequest.Method = http.MethodGet
	if err := calls(client)["exchange"](t.Context()); err != nil || len(body) != 0 || proto != "HTTP/2.0" {
		t.Errorf("got %v, %d bytes over %s", err, len(body), proto)
	}
}

func TestEndpointThatIsNoURL(t *testing.T) {
	for _, endpoint := range []string{"", "/token", ":", "https://"} {
		client := &oauth.Client{Definition: &oauth.Definition{TokenRequest: oauth.Request{Endpoint: endpoint}}}
		_, err := client.Exchange(t.Context(), secret.New("c"), secret.String{}, nil)
		var e *oauth.Error
		if !errors.As(err, &e) || e.Class != oauth.Misconfigured || e.Uncertain {
			t.Errorf("%q: got %v, want a misconfiguration", endpoint, err)
		}
	}
}

func TestRoundTripperOfOnesOwnSpeaksForItself(t *testing.T) {
	transport := roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route for client-canary") })
	client := &oauth.Client{Definition: definitionAt("https://login.example.com"), Secret: secret.New("client-canary"), HTTP: &http.Client{Transport: transport}}
	_, err := client.Refresh(t.Context(), secret.New("r1"), secret.String{}, nil)
	var e *oauth.Error
	if !errors.As(err, &e) || !e.Uncertain || !strings.Contains(err.Error(), "no route for [redacted]") {
		t.Errorf("got %v, want its text without the secret, and uncertain", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

package proxy_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/ca"
	"github.com/keybearer/keybearer/internal/proxy"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a source of routes and tokens in memory.
type store struct {
	mu      sync.Mutex
	routes  []keybearer.Route
	tokens  map[keybearer.Ref]keybearer.Token
	errs    map[keybearer.Ref]error
	asked   int
	renewed []string
	renew   func(ref keybearer.Ref, refused string) (keybearer.Token, error)
}

func (s *store) Routes(context.Context) ([]keybearer.Route, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]keybearer.Route(nil), s.routes...), nil
}

func (s *store) Token(_ context.Context, ref keybearer.Ref, _ ...string) (keybearer.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if err := s.errs[ref]; err != nil {
		return keybearer.Token{}, err
	}
	t, ok := s.tokens[ref]
	if !ok {
		return t, keybearer.Errorf(keybearer.NotFound, "there is no connection of %s", ref)
	}
	return t, nil
}

func (s *store) Renew(_ context.Context, ref keybearer.Ref, refused secret.String) (keybearer.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewed = append(s.renewed, refused.Reveal())
	if s.renew == nil {
		return keybearer.Token{}, keybearer.Errorf(keybearer.Reauthorize, "the grant is dead")
	}
	t, err := s.renew(ref, refused.Reveal())
	if err == nil {
		s.tokens[ref] = t
	}
	return t, err
}

// put stores a connection whose token is the text.
func (s *store) put(r keybearer.Route, token string) keybearer.Route {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Ref.User = "alice"
	r.Version++
	if r.Connection == "" {
		r.Connection = keybearer.ConnectionID("conn_" + string(r.Ref.Provider) + r.Ref.Name)
	}
	for i, old := range s.routes {
		if old.Connection == r.Connection {
			r.Version = old.Version + 1
			s.routes = append(s.routes[:i], s.routes[i+1:]...)
			break
		}
	}
	s.routes = append(s.routes, r)
	if s.tokens == nil {
		s.tokens, s.errs = map[keybearer.Ref]keybearer.Token{}, map[keybearer.Ref]error{}
	}
	s.tokens[r.Ref] = keybearer.Token{Ref: r.Ref, Kind: r.Kind, Access: secret.New(token), Username: r.Username}
	return r
}

func (s *store) asks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// lab is a proxy with one agent, and an upstream that remembers what it was asked.
type lab struct {
	t        *testing.T
	store    *store
	ca       *ca.Authority
	proxy    *proxy.Proxy
	agent    proxy.Credentials
	at       *url.URL
	upstream *httptest.Server
	roots    *x509.CertPool // what the proxy trusts

	mu     sync.Mutex
	audits []keybearer.Injection
	news   chan struct{}
	log    *lines
}

// lines is a log that tests may read.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newLab starts the upstream, and the proxy with what setup changes. Its one route "hooli" serves the
// upstream, unless setup stores something.
func newLab(t *testing.T, handler http.HandlerFunc, setup func(*lab, *proxy.Config)) *lab {
	t.Helper()
	l := &lab{t: t, store: &store{}, news: make(chan struct{}, 1000), log: &lines{}}
	l.upstream = httptest.NewUnstartedServer(handler)
	l.upstream.EnableHTTP2 = true
	l.upstream.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	l.upstream.StartTLS()
	t.Cleanup(l.upstream.Close)
	authority, err := ca.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	l.ca = authority
	roots := x509.NewCertPool()
	roots.AddCert(l.upstream.Certificate())
	l.roots = roots
	cfg := proxy.Config{
		Source: l.store, Authority: authority, Roots: roots, Record: l.record,
		Log: slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if setup != nil {
		setup(l, &cfg)
	}
	if len(l.store.routes) == 0 {
		l.store.put(l.hooli(), canary)
	}
	l.proxy, err = proxy.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := l.proxy.Serve(listener); err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what is still under way is ended
		if err := l.proxy.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("closing: %v", err)
		}
		serving.Wait()
	})
	if l.agent, err = l.proxy.Admit(proxy.Agent{Name: "run-1"}); err != nil {
		t.Fatal(err)
	}
	l.at = l.agent.URL(listener.Addr())
	return l
}

// canary is the credential that no agent may see.
const canary = "canary-credential-of-alice"

// host is the upstream's host and port.
func (l *lab) host() string { return l.upstream.Listener.Addr().String() }

// hooli is a route that serves the upstream.
func (l *lab) hooli() keybearer.Route {
	return keybearer.Route{
		Ref: keybearer.Ref{User: "alice", Provider: "hooli"}, Default: true,
		API: oauth.API{Hosts: []string{l.host()}, Env: map[string]string{"HOOLI_TOKEN": oauth.EnvToken}, KeyPrefix: "hoo_"},
	}
}

func (l *lab) record(i keybearer.Injection) {
	l.mu.Lock()
	l.audits = append(l.audits, i)
	l.mu.Unlock()
	l.news <- struct{}{}
}

// audit waits for so many lines of the audit.
func (l *lab) audit(n int) []keybearer.Injection {
	l.t.Helper()
	for {
		l.mu.Lock()
		all := append([]keybearer.Injection(nil), l.audits...)
		l.mu.Unlock()
		if len(all) >= n {
			return all
		}
		select {
		case <-l.news:
		case <-l.t.Context().Done():
			l.t.Fatalf("the audit has %d lines, want %d", len(all), n)
		}
	}
}

// client is an HTTP client behind the proxy, as the run's environment makes one.
func (l *lab) client() *http.Client { return l.clientOf(true) }

func (l *lab) clientOf(h2 bool) *http.Client {
	t := &http.Transport{
		Proxy: http.ProxyURL(l.at), TLSClientConfig: &tls.Config{RootCAs: l.ca.Pool()}, Protocols: new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(h2)
	l.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (l *lab) request(method, path string, body io.Reader, headers ...string) *http.Request {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.upstream.URL+path, body)
	if err != nil {
		l.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return req
}

// reply is an answer, read to its end.
type reply struct {
	*http.Response
	text string
}

func (l *lab) do(c *http.Client, req *http.Request) reply {
	l.t.Helper()
	res, err := c.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		l.t.Fatal(err)
	}
	return reply{res, string(text)}
}

func (l *lab) get(path string, headers ...string) reply {
	l.t.Helper()
	return l.do(l.client(), l.request(http.MethodGet, path, nil, headers...))
}

// wantRefused checks an answer of the proxy itself.
func wantRefused(t *testing.T, r reply, status int, code proxy.Code) {
	t.Helper()
	var problem struct {
		Status         int
		Code           proxy.Code
		Detail, Action string
	}
	if r.StatusCode != status || r.Header.Get(proxy.HeaderError) != string(code) {
		t.Errorf("got %d %s (%q), want %d %s", r.StatusCode, r.Header.Get(proxy.HeaderError), r.text, status, code)
		return
	}
	if err := json.Unmarshal([]byte(r.text), &problem); err != nil || problem.Status != status || problem.Code != code || problem.Detail == "" {
		t.Errorf("the problem is %q (%v)", r.text, err)
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("got Content-Type %q", got)
	}
	if strings.Contains(r.text, canary) {
		t.Errorf("the refusal shows a credential: %s", r.text)
	}
}

// echo answers with what the credential headers and the query were.
func echo(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = fmt.Fprintf(w, "%s|%s|%s", r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"), r.URL.RawQuery)
}

package interop_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// recorder stands between a client and the engine and writes down the requests.
type recorder struct {
	URL string

	mu   sync.Mutex
	seen []seenRequest
}

type seenRequest struct {
	method, path  string
	authorization string
	status        int
	shouldRetry   string
}

// record starts a recorder before the engine. With a prefix it is also the reverse
// proxy of an operator who hosts the engine below a path: it takes the prefix off.
func record(t *testing.T, engineURL, prefix string) *recorder {
	t.Helper()
	target, err := url.Parse(engineURL)
	if err != nil {
		t.Fatalf("recording %s: %v", engineURL, err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
	}}

	rec := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, below := strings.CutPrefix(r.URL.Path, prefix)
		if !below {
			http.NotFound(w, r)
			return
		}
		r.URL.Path, r.URL.RawPath = path, ""
		spy := &statusSpy{ResponseWriter: w}
		forward.ServeHTTP(spy, r)
		rec.add(seenRequest{
			method: r.Method, path: path, authorization: r.Header.Get("Authorization"),
			status: spy.status, shouldRetry: w.Header().Get("X-Should-Retry"),
		})
	}))
	t.Cleanup(server.Close)
	rec.URL = server.URL + prefix
	return rec
}

func (rec *recorder) add(r seenRequest) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.seen = append(rec.seen, r)
}

// requests are those to that path, in the order of their answers.
func (rec *recorder) requests(path string) []seenRequest {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	var found []seenRequest
	for _, r := range rec.seen {
		if r.path == path {
			found = append(found, r)
		}
	}
	return found
}

type statusSpy struct {
	http.ResponseWriter
	status int
}

func (s *statusSpy) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusSpy) Unwrap() http.ResponseWriter { return s.ResponseWriter }

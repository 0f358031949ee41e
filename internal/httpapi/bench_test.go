package httpapi_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/httpapi"
)

// BenchmarkAuthorize compares a completed authorize, key checked and token unsealed each time, with
// a bare handler that sends the same bytes. Both go over loopback, as apps do.
func BenchmarkAuthorize(b *testing.B) {
	l := newLab(b, options{door: func(c *httpapi.Config) { c.Log = slog.New(slog.DiscardHandler) }})
	l.connect("alice")
	body := authorizeBody("hooli", "alice", scopesOfAlice)
	same := []byte(l.do("POST", "/v1/auth/authorize", body).want(200, "").text)

	b.Run("engine", func(b *testing.B) { requests(b, l.server, body) })
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(same)
	}))
	defer bare.Close()
	b.Run("bare", func(b *testing.B) { requests(b, bare, body) })
}

func requests(b *testing.B, server *httptest.Server, body string) {
	client := server.Client()
	b.ReportAllocs()
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+"/v1/auth/authorize", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", adminKey)
		r.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status, err)
		}
	}
}

// BenchmarkDoor is the same without a network: what the door and the broker cost by themselves.
func BenchmarkDoor(b *testing.B) {
	l := newLab(b, options{door: func(c *httpapi.Config) { c.Log = slog.New(slog.DiscardHandler) }})
	l.connect("alice")
	body := authorizeBody("hooli", "alice", scopesOfAlice)
	r := httptest.NewRequest(http.MethodPost, "/v1/auth/authorize", nil)
	r.Header.Set("Authorization", adminKey)
	r.Header.Set("Content-Type", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(strings.NewReader(body))
		l.server.Config.Handler.ServeHTTP(&discard{header: http.Header{}}, r)
	}
}

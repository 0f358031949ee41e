package workers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
)

// What a call costs beside the same call made by hand.
func BenchmarkCall(b *testing.B) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}
	defer client.CloseIdleConnections()
	l := open(b, options{toolbox: func(c *workers.Config) { c.HTTP = func(keybearer.Origin) *http.Client { return client } }})
	l.connect("read")
	b.Run("through the toolbox", func(b *testing.B) {
		for b.Loop() {
			done, err := l.box.Execute(b.Context(), l.app, workers.Call{Tool: "Hooli.ListProjects", User: alice})
			if err != nil || !done.Success {
				b.Fatal(done, err)
			}
		}
	})
	b.Run("by hand", func(b *testing.B) {
		body := must(json.Marshal(l.worker.History()[0]))(b)
		for b.Loop() {
			token := must(jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"aud": "worker", "ver": "1", "exp": time.Now().Add(time.Minute).Unix()}).SignedString([]byte(workerSecret)))(b)
			r := must(http.NewRequestWithContext(b.Context(), http.MethodPost, l.worker.URL+api.WorkerInvokePath, bytes.NewReader(body)))(b)
			r.Header.Set("Authorization", "Bearer "+token)
			res := must(client.Do(r))(b)
			var out api.InvocationResult
			if err := json.NewDecoder(res.Body).Decode(&out); err != nil || !out.Success {
				b.Fatal(out, err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	})
}

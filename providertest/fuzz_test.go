package providertest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/providertest"
)

// FuzzTokenRequest sends foreign bytes to the token endpoint: whatever they
// are, the answer is an OAuth error and the history can be written as JSON.
func FuzzTokenRequest(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", "Basic YTpi", "grant_type=refresh_token&refresh_token=x")
	f.Add("application/json", "", `{"grant_type":"authorization_code","code":"x","client_id":"app"}`)
	f.Add("application/json", "Bearer x", `{"a":{"b":[1,null]},"a":2}`)
	f.Add("text/plain; charset", "Basic %%%", "\x00\xff=%zz&&;")
	f.Fuzz(func(t *testing.T, contentType, authorization, body string) {
		server := providertest.New(providertest.Config{
			Clients: []providertest.Client{{ID: "app", RedirectURIs: []string{callback}}},
			Formats: []string{"form", "json"},
		})
		req := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		var answer struct {
			Error string `json:"error"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Error == "" || w.Code/100 != 4 {
			t.Errorf("got %d %q (%v), want an OAuth error", w.Code, w.Body, err)
		}
		if _, err := json.Marshal(server.History().All()); err != nil {
			t.Errorf("writing the history: %v", err)
		}
	})
}

package interop_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// hooli is the seeds' provider with an engine that knows it.
type hooli struct {
	oidc   *oidcProvider
	engine *engine
}

// startHooli starts oidc-provider with the engine's callback registered, and the
// engine with the server in its engine.yaml.
func startHooli(t *testing.T, server oidcOptions, e engineOptions) hooli {
	t.Helper()
	if e.port == 0 {
		e.port = freePort(t)
	}
	if server.redirectURI == "" {
		server.redirectURI = callback(e.port, "hooli")
	}
	oidc := startOIDCProvider(t, server)
	e.providers = append(e.providers, oidc.definition())
	return hooli{oidc: oidc, engine: startEngine(t, e)}
}

type userInfo map[string]any

// whoHolds asks a server whose token it is, as any resource server would be asked.
func whoHolds(t *testing.T, endpoint, token string) userInfo {
	t.Helper()
	resp := getWithToken(t, endpoint, token)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s refused the token: %d", endpoint, resp.StatusCode)
	}
	var who userInfo
	if err := json.NewDecoder(resp.Body).Decode(&who); err != nil {
		t.Fatalf("reading %s: %v", endpoint, err)
	}
	return who
}

// waitUntilExpired waits for the end of a token of shortLife that was just seen: until
// its server refuses it, and until the engine, which counts from when it got the token
// and in finer steps than the server, must know as well.
func waitUntilExpired(t *testing.T, endpoint, token string) {
	t.Helper()
	ended := time.After(shortLife)
	tooLate := time.After(shortLife + patience)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		resp := getWithToken(t, endpoint, token)
		resp.Body.Close()
		if resp.StatusCode == http.StatusUnauthorized {
			<-ended
			return
		}
		select {
		case <-again.C:
		case <-tooLate:
			t.Fatalf("%s still accepts the token", endpoint)
		}
	}
}

func getWithToken(t *testing.T, endpoint, token string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endpoint, nil)
	if err != nil {
		t.Fatalf("asking %s: %v", endpoint, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("asking %s: %v", endpoint, err)
	}
	return resp
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("reading the address %q: %v", address, err)
	}
	return u.Host
}

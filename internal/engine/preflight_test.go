package engine_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// withServers lets an engine have these Data Center servers as its providers.
func withServers(t *testing.T, urls ...string) func(*engine.Options) {
	t.Helper()
	text := "api: {host: 127.0.0.1, port: 0, development: true}\nauth:\n  providers:\n"
	for i, url := range urls {
		text += fmt.Sprintf("    - {id: jira-%d, provider_id: atlassian-data-center, server_url: %q, product: jira, client_id: c, client_secret: s}\n", i, url)
	}
	text += "security: {root_keys: [{id: k1, value: a-root-key-for-tests-alone}]}\nstorage: {in_memory: {}}\n"
	return func(o *engine.Options) {
		dir := t.TempDir()
		cfg, problems := config.Parse("engine.yaml", []byte(text), config.Source{
			Dir: dir, DataDir: dir, Definitions: catalog.Definition,
			LookupEnv: func(name string) (string, bool) {
				v, ok := map[string]string{"KEYBEARER_API_KEY": testKey, "KEYBEARER_ADMIN_PASSWORD": "not-for-people"}[name]
				return v, ok
			},
		})
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		o.Config = cfg
	}
}

func TestServersAreLookedAtWithoutHoldingUpTheStart(t *testing.T) {
	old := atlassiantest.StartDataCenter(t, atlassiantest.DataCenterConfig{Version: "8.20.1", ContextPath: "/jira"})
	asked, silent := make(chan struct{}), make(chan struct{})
	mute := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		select {
		case <-silent:
		case <-r.Context().Done():
		}
	}))
	defer mute.Close()
	defer close(silent)
	r := newLab(t).replica(t, "", withServers(t, old.URL, mute.URL))
	if err := r.Health(t.Context()); err != nil {
		t.Errorf("got %v while a server does not answer, want the engine to serve", err)
	}
	until(t, "a word about the old server", func() bool { return r.logged("provider=jira-0 fault=too_old") })
	<-asked
	r.stop() // while the look is under way
	if r.logged("provider=jira-1 fault") {
		t.Error("that the engine stopped was taken for the server's fault")
	}
}

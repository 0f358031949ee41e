package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/oauth"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func samples(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	return paths
}

// canary stands for every secret: it must never come out.
const canary = "canary-3f9a"

func environment(extra map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if value, ok := extra[name]; ok {
			return value, true
		}
		value, ok := map[string]string{
			"HOME":                    "/home/kb",
			"ATLASSIAN_CLIENT_ID":     "atlassian-client",
			"ATLASSIAN_CLIENT_SECRET": canary,
			"ARCADE_WORKER_SECRET":    canary,
			"NOTES_TOKEN":             canary,
			"JIRA_CLIENT_ID":          "jira-client",
			"JIRA_CLIENT_SECRET":      canary,
			"HOOLI_CLIENT_ID":         "hooli-client",
			"HOOLI_CLIENT_SECRET":     canary,
			"ROOT_KEY_1":              canary + "-root-key-1",
			"CANARY":                  canary,
			"PORT":                    "8088",
			"EMPTY":                   "",
			"ON":                      "1",
		}[name]
		return value, ok
	}
}

func source(t *testing.T) config.Source {
	t.Helper()
	return config.Source{
		Dir:         t.TempDir(),
		LookupEnv:   environment(nil),
		Definitions: bundled,
		Types:       []string{"atlassian", "atlassian-data-center", "github"},
	}
}

// bundled plays the catalogue.
func bundled(providerType string) (oauth.Definition, bool) {
	on := true
	switch providerType {
	case "atlassian":
		return oauth.Definition{
			DisplayName:      "Atlassian",
			PKCE:             oauth.PKCE{Enabled: &on},
			AuthorizeRequest: oauth.Request{Endpoint: "https://auth.atlassian.example/authorize", Params: map[string]string{"audience": "api.atlassian.com"}},
			TokenRequest:     oauth.Request{Endpoint: "https://auth.atlassian.example/oauth/token"},
			RefreshRequest:   &oauth.Request{},
		}, true
	case "atlassian-data-center":
		return oauth.Definition{
			PKCE:             oauth.PKCE{Enabled: &on},
			AuthorizeRequest: oauth.Request{Endpoint: "{{server_url}}/authorize"},
			TokenRequest:     oauth.Request{Endpoint: "{{server_url}}/token"},
			RefreshRequest:   &oauth.Request{},
			Products:         map[string]oauth.Definition{"confluence": {}, "jira": {DisplayName: "Jira"}},
		}, true
	case "github":
		return oauth.Definition{
			AuthorizeRequest: oauth.Request{Endpoint: "https://github.example/authorize"},
			TokenRequest:     oauth.Request{Endpoint: "https://github.example/token"},
		}, true
	}
	return oauth.Definition{}, false
}

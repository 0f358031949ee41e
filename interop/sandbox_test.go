package interop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// sandbox is a running `keybearer sandbox`: the engine's own Atlassian.
type sandbox struct {
	URL        string
	enginePort int // where an engine must listen for its callback to be the registered one
	secret     string
	controlURL string
}

const sandboxApp = "sandbox-app"

func startSandbox(t *testing.T, args ...string) *sandbox {
	t.Helper()
	address, control := fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := &sandbox{URL: "http://" + address, controlURL: "http://" + control, enginePort: freePort(t), secret: nonce("sandbox")}
	p := run(t, "keybearer sandbox", command{
		path: os.Getenv(binaryVariable), dir: t.TempDir(),
		env:  []string{"KEYBEARER_SANDBOX_SECRET=" + s.secret},
		args: append(sandboxArgs(address, control, callback(s.enginePort, "default-atlassian")), args...),
	})
	waitReady(t, p, s.controlURL+"/control/clock", func(resp *http.Response) bool { return resp.StatusCode == http.StatusOK })
	return s
}

// control does what an Atlassian user or administrator could do behind the engine's back.
func (s *sandbox) control(t *testing.T, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("asking the sandbox for %s: %v", path, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.controlURL+path, bytes.NewReader(text))
	if err != nil {
		t.Fatalf("asking the sandbox for %s: %v", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("asking the sandbox for %s: %v", path, err)
	}
	read(t, resp, http.StatusOK, nil)
}

// definition is the seeds' entry for Atlassian, with the sandbox in the place of Atlassian's hosts.
func (s *sandbox) definition() providerConfig {
	return providerConfig{
		env:     []string{"ATLASSIAN_CLIENT_ID=" + sandboxApp, "ATLASSIAN_CLIENT_SECRET=" + s.secret},
		secrets: []string{s.secret},
		yaml:    strings.ReplaceAll(atlassianYAML, "SANDBOX", s.URL),
	}
}

const atlassianYAML = `
- id: default-atlassian
  description: "The default Atlassian provider"
  enabled: true
  type: oauth2
  provider_id: atlassian
  client_id: ${env:ATLASSIAN_CLIENT_ID}
  client_secret: ${env:ATLASSIAN_CLIENT_SECRET}
  oauth2:
    authorize_request:
      endpoint: SANDBOX/authorize
    token_request:
      endpoint: SANDBOX/oauth/token
    refresh_request:
      endpoint: SANDBOX/oauth/token
    user_info_request:
      endpoint: SANDBOX/me
    sites_request:
      endpoint: SANDBOX/oauth/token/accessible-resources
`

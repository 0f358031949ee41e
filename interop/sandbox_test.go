package interop_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// sandbox is a running `keybearer sandbox`: the engine's own Atlassian.
type sandbox struct {
	URL        string
	enginePort int
	secret     string
}

const sandboxApp = "sandbox-app"

func startSandbox(t *testing.T) *sandbox {
	t.Helper()
	port := freePort(t)
	s := &sandbox{URL: fmt.Sprintf("http://127.0.0.1:%d", port), enginePort: freePort(t), secret: nonce("sandbox")}
	p := run(t, "keybearer sandbox", command{
		path: os.Getenv(binaryVariable), dir: t.TempDir(),
		env:  []string{"KEYBEARER_SANDBOX_SECRET=" + s.secret},
		args: sandboxArgs(port, callback(s.enginePort, "default-atlassian")),
	})
	waitReady(t, p, s.URL+"/", func(*http.Response) bool { return true })
	return s
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
`

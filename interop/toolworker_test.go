package interop_test

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// toolHouse is an engine with the published Python tool framework as its worker, which serves the tools of the
// provider pages, and with the two providers that those are about.
type toolHouse struct{ *engine }

func openToolHouse(t *testing.T) *toolHouse {
	t.Helper()
	need(t, partTools, partNode)
	o := openOffice(t)
	worker := startToolWorker(t, o) // before anything finds a free port for the engine: it takes its time
	s := startSandbox(t)
	o.leadsTo(t, atlassianHost, s.URL)
	hooli := startOIDCProvider(t, oidcOptions{redirectURI: callback(s.enginePort, "hooli")})
	e := startEngine(t, engineOptions{
		port:      s.enginePort,
		providers: []providerConfig{s.definition(), hooli.definition()},
		sections:  []providerConfig{worker},
	})
	t.Cleanup(func() { // before the engine's output is looked through
		for _, v := range o.visits("/ex/jira/" + teahouseID + "/rest/api/3/project/search") {
			token, ok := strings.CutPrefix(v.authorization, "Bearer ")
			if v.host != atlassianHost || !ok || token == "" {
				t.Errorf("a tool asked %s with the authorization %.7s…, want %s and a token", v.host, v.authorization, atlassianHost)
			}
			e.guards(token)
		}
	})
	return &toolHouse{e}
}

// startToolWorker starts the framework as its manual says, in the folder with the tools. What those ask of Atlassian's
// host goes through the office's proxy, as in any company.
func startToolWorker(t *testing.T, o *office) providerConfig {
	t.Helper()
	port, secret := freePort(t), nonce("worker-secret")
	p := run(t, "arcade_mcp_server", command{
		path: toolsPython(t), dir: "python-tools",
		args: []string{"-m", "arcade_mcp_server", "http", "--port", fmt.Sprint(port), "--name", "Samples", "--version", "0.2.0"},
		env: []string{
			"ARCADE_WORKER_SECRET=" + secret, "ARCADE_USAGE_TRACKING=0", "PYTHONDONTWRITEBYTECODE=1",
			"HTTPS_PROXY=" + o.ProxyURL, "SSL_CERT_FILE=" + o.roots,
		},
	})
	uri := fmt.Sprintf("http://127.0.0.1:%d", port)
	waitReady(t, p, uri+"/worker/health", func(resp *http.Response) bool { return resp.StatusCode == http.StatusOK })
	return providerConfig{
		env: []string{"ARCADE_WORKER_SECRET=" + secret}, secrets: []string{secret},
		yaml: fmt.Sprintf(workerYAML, uri),
	}
}

const workerYAML = `
tools:
  directors:
    - id: default
      workers:
        - id: samples
          http:
            uri: %s
            secret: ${env:ARCADE_WORKER_SECRET}
`

// leadsTo has a server of the office answer for another one, which has the credentials that it was sent.
func (o *office) leadsTo(t *testing.T, host, address string) {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatalf("reading %s: %v", address, err)
	}
	o.mux.Handle(host+"/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
}

package interop_test

import (
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// conformanceHolds: the protocol's own suite finds nothing at the gateway but what conformance.yaml names.
func conformanceHolds(t *testing.T, h *toolHouse) {
	suite := exec.CommandContext(t.Context(), nodeBinary(t), "node_modules/@modelcontextprotocol/conformance/dist/index.js", "server",
		"--url", h.letsEverybodyIn(t, "conformance@mcp.example"), "--expected-failures", "conformance.yaml", "--output-dir", t.TempDir())
	suite.Dir, suite.Env = "node", []string{"HOME=" + t.TempDir()}
	said, err := suite.CombinedOutput()
	if err != nil {
		t.Errorf("the suite: %v\n%s", err, said)
	}
	for _, passed := range []string{"server-initialize: 1 passed", "ping: 1 passed", "tools-list: 1 passed", "server-sse-multiple-streams: 2 passed"} {
		if !strings.Contains(string(said), passed) {
			t.Errorf("the suite does not say %q:\n%s", passed, said)
		}
	}
}

// letsEverybodyIn is the gateway for those who cannot send a header: whoever comes is the user.
func (h *toolHouse) letsEverybodyIn(t *testing.T, user string) string {
	t.Helper()
	gateway, err := url.Parse(h.URL)
	if err != nil {
		t.Fatalf("reading %s: %v", h.URL, err)
	}
	// The suite leaves streams open when it goes, which is none of the door's business.
	quiet := log.New(io.Discard, "", 0)
	door := httptest.NewServer(&httputil.ReverseProxy{FlushInterval: -1, ErrorLog: quiet, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(gateway)
		r.Out.Host = r.In.Host
		r.Out.Header.Set("Authorization", "Bearer "+h.Key)
		r.Out.Header.Set("Arcade-User-ID", user)
	}})
	t.Cleanup(door.Close)
	return door.URL + "/mcp"
}

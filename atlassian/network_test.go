package atlassian_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
)

// secureServer is a Data Center over TLS, with a certificate that the system does not know.
func secureServer(t *testing.T) (atlassian.Config, *atlassiantest.RunningDataCenter) {
	t.Helper()
	link := atlassiantest.DefaultLink()
	link.Redirects = []string{appCallback}
	dc := atlassiantest.StartDataCenterTLS(t, atlassiantest.DataCenterConfig{Links: []atlassiantest.Link{link}, BaseHTTPS: true, RedirectHTTPS: true})
	dc.Approve("")
	return atlassian.Config{
		Product: atlassian.Jira, ServerURL: dc.URL, CallbackURL: appCallback,
		ClientID: link.ID, ClientSecret: secret.New(dc.Links()[0].Secret), Scopes: []string{"WRITE"},
	}, dc
}

// signIn goes all the way with a browser that trusts the server.
func signIn(t *testing.T, cfg atlassian.Config, dc *atlassiantest.RunningDataCenter) error {
	t.Helper()
	c, err := atlassian.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	to, err := c.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := dc.Client.Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if _, err := c.Complete(t.Context(), res.Header.Get("Location")); err != nil {
		return err
	}
	_, err = c.TestConnection(t.Context())
	return err
}

func TestCertificatesAreBelievedAsTheSettingsSay(t *testing.T) {
	cfg, dc := secureServer(t)
	refused(t, "an unknown certificate", signIn(t, cfg, dc), keybearer.ProviderAway, "certificate")

	conn, err := tls.Dial("tcp", dc.URL[len("https://"):], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	certificate := conn.ConnectionState().PeerCertificates[0]
	_ = conn.Close()
	cfg.Network.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(cfg.Network.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := signIn(t, cfg, dc); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	cfg.Network = atlassian.Network{InsecureSkipVerify: true}
	if err := signIn(t, cfg, dc); err != nil {
		t.Errorf("believing everything: %v", err)
	}
	cfg.Network = atlassian.Network{Transport: dc.Client.Transport}
	if err := signIn(t, cfg, dc); err != nil {
		t.Errorf("with a transport of one's own: %v", err)
	}
}

// forwarding is a proxy that counts who comes by.
func forwarding(t *testing.T) (address string, tunnels *atomic.Int64) {
	t.Helper()
	tunnels = &atomic.Int64{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") == "" {
			http.Error(w, "no tunnel", http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, "not there", http.StatusBadGateway)
			return
		}
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = there.Close()
			return
		}
		tunnels.Add(1)
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { // ends with the connection to the server
			_, _ = io.Copy(here, there)
			_ = here.Close()
		}()
		_, _ = io.Copy(there, buffered) // ends with the connection to the client
		_ = there.Close()
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL, tunnels
}

func TestEverythingGoesThroughTheProxy(t *testing.T) {
	cfg, dc := secureServer(t)
	address, tunnels := forwarding(t)
	cfg.Network = atlassian.Network{InsecureSkipVerify: true, ProxyURL: "http://user:a-password@" + address[len("http://"):]}
	if err := signIn(t, cfg, dc); err != nil {
		t.Errorf("through the proxy: %v", err)
	}
	if tunnels.Load() == 0 {
		t.Error("nobody came by the proxy")
	}
	cfg.Network.ProxyURL = address
	err := signIn(t, cfg, dc)
	refused(t, "a proxy that wants a password", err, keybearer.ProviderAway)

	cfg.Network.ProxyURL = "http://user:a-password@127.0.0.1:1"
	err = signIn(t, cfg, dc)
	refused(t, "no proxy there", err, keybearer.ProviderAway)
	if contains(err.Error(), "a-password") {
		t.Errorf("the proxy's password is in the text: %v", err)
	}
}

package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The hosts of the office. No name server knows them: its proxy does. The vault has no connection to the last three.
const (
	apiHost    = "api.tea.example"
	gitHost    = "git.tea.example"
	openAIHost = "api.openai.com"
	gitHubHost = "github.com"
	plainHost  = "plain.tea.example"
	lateHost   = "late.tea.example"

	atlassianHost = "api.atlassian.com"
)

func officeHosts() []string {
	return []string{apiHost, gitHost, openAIHost, gitHubHost, plainHost, lateHost, atlassianHost}
}

// office is a company's network as a laptop sees it: servers with certificates of the company's own authority,
// which are reached by names through its proxy. It writes down each request.
type office struct {
	ProxyURL string
	roots    string // the file with the authority's certificate
	port     int    // of the servers, on loopback, where they can be reached past the proxy
	mux      *http.ServeMux

	mu   sync.Mutex
	seen []visit
}

// visit is a request as a server of the office saw it.
type visit struct {
	host, path    string
	protocol      string
	authorization string
	header        http.Header
}

const authorityName = "The office's own authority"

func openOffice(t *testing.T) *office {
	t.Helper()
	o := &office{mux: http.NewServeMux()}
	certificate := o.authority(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(o.receive))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	address := server.Listener.Addr().(*net.TCPAddr)
	o.port = address.Port

	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.connect(w, r, address.String()) }))
	t.Cleanup(proxy.Close)
	o.ProxyURL = proxy.URL
	return o
}

// authority makes the company's authority and a certificate for all its servers.
func (o *office) authority(t *testing.T) tls.Certificate {
	t.Helper()
	key := newKey(t)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: authorityName}, NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	signed := func(template *x509.Certificate, public *ecdsa.PublicKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, root, public, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	o.roots = filepath.Join(t.TempDir(), "office.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed(root, &key.PublicKey)})
	if err := os.WriteFile(o.roots, text, 0o600); err != nil {
		t.Fatal(err)
	}
	own := newKey(t)
	leaf := signed(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: apiHost}, NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: officeHosts(), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &own.PublicKey)
	return tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: own}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// receive writes a request down before anything answers it.
func (o *office) receive(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.seen = append(o.seen, visit{host: r.Host, path: r.URL.Path, protocol: r.Proto, authorization: r.Header.Get("Authorization"), header: r.Header.Clone()})
	o.mu.Unlock()
	o.mux.ServeHTTP(w, r)
}

// visits are the requests for a path, whatever the host.
func (o *office) visits(path string) []visit {
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []visit
	for _, v := range o.seen {
		if v.path == path {
			found = append(found, v)
		}
	}
	return found
}

// connect is the company's proxy: the office's names lead to the servers, by plain HTTP, too, and no others
// anywhere. Programs have ideas of their own of whom to ask.
func (o *office) connect(w http.ResponseWriter, r *http.Request, servers string) {
	if r.Method != http.MethodConnect {
		o.receive(w, r)
		return
	}
	if host, _, _ := strings.Cut(r.Host, ":"); !slices.Contains(officeHosts(), host) {
		http.Error(w, "there is no such host here", http.StatusBadGateway)
		return
	}
	far, err := net.Dial("tcp", servers)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			if half, ok := way[0].(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
		})
	}
	both.Wait()
	_, _ = near.Close(), far.Close()
}

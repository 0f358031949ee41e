package child_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// served is a host that only the proxy knows.
const served = "api.served.test"

// proxy is a proxy with a secret and a certificate authority of its own that answers for every host.
type proxy struct {
	url    string // with the secret
	ca     string // PEM
	mu     sync.Mutex
	asked  []string // "HOST PATH" of each request inside a tunnel
	refuse int      // tunnels refused for want of the secret
	stop   func()
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	key, authority, ca := newAuthority(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ca: ca, url: (&url.URL{Scheme: "http", Host: listener.Addr().String(), User: url.UserPassword("run", "not-a-secret")}).String()}
	config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return newLeaf(hello.ServerName, authority, key)
	}}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { p.serve(conn, config) })
		}
	})
	p.stop = func() {
		listener.Close()
		open.Wait()
	}
	t.Cleanup(p.stop)
	return p
}

// serve answers one connection: CONNECT, and the requests within.
func (p *proxy) serve(conn net.Conn, config *tls.Config) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		probe := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
		if name, word, ok := probe.BasicAuth(); !ok || name != "run" || word != "not-a-secret" {
			p.note(func() { p.refuse++ })
			fmt.Fprint(conn, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"run\"\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		if r.Method != http.MethodConnect {
			p.note(func() { p.asked = append(p.asked, r.URL.Host+" "+r.URL.Path) })
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
			continue
		}
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\n\r\n")
		break
	}
	inside := tls.Server(conn, config)
	defer inside.Close()
	in = bufio.NewReader(inside)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		p.note(func() { p.asked = append(p.asked, r.Host+" "+r.URL.Path) })
		fmt.Fprint(inside, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type: text/plain\r\n\r\nhello\n")
	}
}

func (p *proxy) note(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// history takes what was asked so far.
func (p *proxy) history() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.asked
	p.asked = nil
	return asked
}

func newAuthority(t *testing.T) (*ecdsa.PrivateKey, *x509.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a run"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, authority, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func newLeaf(host string, authority *x509.Certificate, key *ecdsa.PrivateKey) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{host}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// Command goproxy is the interception of the library github.com/elazarl/goproxy as its documents have it, with the same
// certificate authority, upstream and credential as the others: the peer that bench measures the proxy beside. It is a
// module of its own, so that the product does not depend on it.
//
//	goproxy -authority FILE -trust FILE -at FILE
//
// The authority is a certificate and its key in PEM, trust is whom to trust upstream, and the file at gets the address.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/elazarl/goproxy"
)

func main() {
	authority := flag.String("authority", "", "certificate and key of the authority")
	trust := flag.String("trust", "", "certificates to trust upstream")
	at := flag.String("at", "", "where to write the address")
	credential := flag.String("credential", "", "what to put on each request")
	flag.Parse()
	if err := serve(*authority, *trust, *at, *credential); err != nil {
		fmt.Fprintln(os.Stderr, "goproxy:", err)
		os.Exit(1)
	}
}

func serve(authority, trust, at, credential string) error {
	ca, err := tls.LoadX509KeyPair(authority, authority)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(trust)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return errors.New("nobody to trust")
	}
	p := goproxy.NewProxyHttpServer()
	p.Tr = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 256, ForceAttemptHTTP2: true}
	p.CertStore = &leaves{kept: map[string]*tls.Certificate{}}
	intercept := &goproxy.ConnectAction{Action: goproxy.ConnectMitm, TLSConfig: goproxy.TLSConfigFromCA(&ca)}
	p.OnRequest().HandleConnect(goproxy.FuncHttpsHandler(func(host string, _ *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
		return intercept, host
	}))
	p.OnRequest().DoFunc(func(r *http.Request, _ *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		r.Header.Set("Authorization", credential)
		return r, nil
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := os.WriteFile(at, []byte(l.Addr().String()), 0o600); err != nil {
		return err
	}
	return (&http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}).Serve(l)
}

// leaves keeps certificates, as everybody who uses the library is told to.
type leaves struct {
	mu   sync.Mutex
	kept map[string]*tls.Certificate
}

func (l *leaves) Fetch(host string, sign func() (*tls.Certificate, error)) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.kept[host]; ok {
		return c, nil
	}
	c, err := sign()
	if err == nil {
		l.kept[host] = c
	}
	return c, err
}

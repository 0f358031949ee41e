package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/ca"
	"github.com/keybearer/keybearer/internal/proxy"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// The parts that bench plays when it measures the proxy, each in a process of its own. They find each other
// by files in a folder: NAME.pem is whom to trust, and NAME.at where one listens, written last.
const (
	roleUpstream = "upstream"
	roleBare     = "bare-mitm"
	roleOurs     = "keybearer"
)

// injected is the credential that the upstream wants.
const injected = "Bearer a-credential-for-measuring-only"

// serveRole is one of the parts, until it is told to end.
func serveRole(ctx context.Context, role, dir string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	authority, err := ca.New(nil)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, role+".pem"), authority.PEM(), 0o600); err != nil {
		return err
	}
	done := make(chan error, 1)
	stop, at := func() error { return l.Close() }, l.Addr().String()
	switch role {
	case roleUpstream:
		s := &http.Server{Handler: http.HandlerFunc(answerUpstream), ReadHeaderTimeout: 10 * time.Second, TLSConfig: leaves(authority, "127.0.0.1")}
		go func() { done <- s.ServeTLS(l, "", "") }() // received below
		stop = s.Close
	case roleBare:
		m, err := newMITM(authority, dir)
		if err != nil {
			return err
		}
		s := &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second}
		go func() { done <- s.Serve(l) }() // received below
		stop = s.Close
	default:
		p, credentials, err := newOurs(ctx, authority, dir)
		if err != nil {
			return err
		}
		at = credentials.URL(l.Addr()).User.String() + "@" + at
		go func() { done <- p.Serve(l) }() // received below
		stop = func() error { return p.Close(ended()) }
	}
	if err := os.WriteFile(filepath.Join(dir, role+".at"), []byte(at), 0o600); err != nil {
		return err
	}
	terminated := make(chan os.Signal, 1)
	notify(terminated)
	select {
	case <-terminated:
	case err := <-done:
		return err
	}
	_ = stop() // what is under way may be cut
	<-done
	return nil
}

// ended is a context that leaves no time.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func leaves(a *ca.Authority, host string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.Leaf(host) }}
}

func trusted(dir, role string) (*x509.CertPool, error) {
	text, err := os.ReadFile(filepath.Join(dir, role+".pem"))
	pool := x509.NewCertPool()
	if err == nil && !pool.AppendCertsFromPEM(text) {
		err = errors.New("there is no certificate in " + role + ".pem")
	}
	return pool, err
}

// answerUpstream answers with 256 bytes, with large bodies, and with an event.
func answerUpstream(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != injected {
		http.Error(w, "the credential is missing", http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/large":
		_, _ = io.Copy(io.Discard, r.Body)
		piece := make([]byte, 32<<10)
		for range largeBody / len(piece) {
			_, _ = w.Write(piece)
		}
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, strings.Repeat("x", 256))
	}
}

const largeBody = 10 << 20

// mitm is the ceiling: a proxy in memory that checks nothing, decides nothing and records nothing. Leaves are
// kept, and so are 256 connections to a host.
type mitm struct {
	authority *ca.Authority
	transport *http.Transport
}

func newMITM(a *ca.Authority, dir string) (*mitm, error) {
	roots, err := trusted(dir, roleUpstream)
	if err != nil {
		return nil, err
	}
	return &mitm{authority: a, transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 256}}, nil
}

func (m *mitm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	conn := &oneConn{Conn: tls.Server(c, leaves(m.authority, host)), done: make(chan struct{})}
	to := r.Host
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.forward(w, r, to) })}
	_ = s.Serve(conn)
	_ = s.Shutdown(context.Background())
}

func (m *mitm) forward(w http.ResponseWriter, r *http.Request, to string) {
	r.URL.Scheme, r.URL.Host, r.RequestURI, r.Close = "https", to, "", false
	r.Header.Set("Authorization", injected)
	res, err := m.transport.RoundTrip(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	buffer := make([]byte, 32<<10)
	for {
		n, err := res.Body.Read(buffer)
		_, _ = w.Write(buffer[:n])
		if err != nil {
			return
		}
		if res.ContentLength < 0 {
			w.(http.Flusher).Flush()
		}
	}
}

// oneConn is a listener of one connection, which lasts until that is closed.
type oneConn struct {
	net.Conn
	given bool
	done  chan struct{}
}

func (o *oneConn) Accept() (net.Conn, error) {
	if !o.given {
		o.given = true
		return &closing{o.Conn, o.done}, nil
	}
	<-o.done
	return nil, net.ErrClosed
}

func (o *oneConn) Close() error   { return nil }
func (o *oneConn) Addr() net.Addr { return o.LocalAddr() }

type closing struct {
	net.Conn
	done chan struct{}
}

func (c *closing) Close() error {
	select {
	case <-c.done:
	default:
		close(c.done)
	}
	return c.Conn.Close()
}

// oneRoute is a source of one connection, which serves the upstream.
type oneRoute struct{ host string }

func (o oneRoute) Routes(context.Context) ([]keybearer.Route, error) {
	return []keybearer.Route{{
		Ref: keybearer.Ref{User: "bench", Provider: "hooli"}, Connection: "conn_1", Default: true, Version: 1,
		API: oauth.API{Hosts: []string{o.host}, Env: map[string]string{"HOOLI_TOKEN": oauth.EnvToken}},
	}}, nil
}

func (o oneRoute) Token(_ context.Context, ref keybearer.Ref, _ ...string) (keybearer.Token, error) {
	return keybearer.Token{Ref: ref, Access: secret.New(strings.TrimPrefix(injected, "Bearer ")), ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func (o oneRoute) Renew(ctx context.Context, ref keybearer.Ref, _ secret.String) (keybearer.Token, error) {
	return o.Token(ctx, ref)
}

func newOurs(ctx context.Context, a *ca.Authority, dir string) (*proxy.Proxy, proxy.Credentials, error) {
	roots, err := trusted(dir, roleUpstream)
	if err != nil {
		return nil, proxy.Credentials{}, err
	}
	at, err := os.ReadFile(filepath.Join(dir, roleUpstream+".at"))
	if err != nil {
		return nil, proxy.Credentials{}, err
	}
	p, err := proxy.New(ctx, proxy.Config{
		Source: oneRoute{string(at)}, Authority: a, Roots: roots, Record: func(keybearer.Injection) {}, Policy: anywhere{},
	})
	if err != nil {
		return nil, proxy.Credentials{}, err
	}
	credentials, err := p.Admit(proxy.Agent{Name: "bench"})
	return p, credentials, err
}

// anywhere lets tunnels lead to this machine.
type anywhere struct{}

func (anywhere) Decide(proxy.Asked) proxy.Ruling { return proxy.Ruling{Near: true} }

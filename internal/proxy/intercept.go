package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/keybearer/keybearer"
)

// carried is an agent's connection behind its CONNECT: what it was for stays with it.
type carried struct {
	net.Conn
	early []byte
	agent *agent
	to    target
}

func (c *carried) Read(b []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n, nil
}

type carriedKey struct{}

// carriedContext lays what a CONNECT was for into the context of the requests that come through it.
func carriedContext(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		return context.WithValue(ctx, carriedKey{}, secure.NetConn())
	}
	return ctx
}

// intercept speaks TLS with the agent in the host's place, and hands the connection to the inner server.
func (p *Proxy) intercept(w http.ResponseWriter, a *agent, to target) {
	raw, early, err := p.takeOver(w)
	if err != nil {
		return // the agent is gone
	}
	c := tls.Server(&carried{Conn: raw, early: early, agent: a, to: to}, p.tls)
	ctx, cancel := context.WithTimeout(p.life, handshakeTimeout)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		p.tellHandshake(a, to, err)
		p.drop(raw)
		return
	}
	p.mu.Lock()
	delete(p.conns, raw) // from here on it is the inner server's
	p.mu.Unlock()
	if p.intercepted.give(c) != nil {
		_ = c.Close()
	}
}

// tellHandshake explains the handshake that failed. What the agent's side did not like is worth a warning:
// people see nothing but a certificate error of some program.
func (p *Proxy) tellHandshake(a *agent, to target, err error) {
	if mismatch, ok := errors.AsType[*nameMismatch](err); ok {
		p.record(keybearer.Injection{
			Time: p.now(), Run: a.name, Method: http.MethodConnect, Host: to.shown(),
			Outcome: string(keybearer.BadRequest), Reason: mismatch.Error(),
		})
		p.log.Warn("a handshake was refused", "run", a.name, "host", to.shown(), "error", mismatch)
		return
	}
	if isRemote(err) {
		p.log.Warn("a program does not take the certificate of the run: it has a trust store of its own, or pins the host", "run", a.name, "host", to.shown(), "error", err)
		return
	}
	p.log.Debug("a handshake with an agent failed", "run", a.name, "host", to.shown(), "error", err)
}

// isRemote reports an alert that the other side sent.
func isRemote(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// nameMismatch is a server name that is not the host of the CONNECT.
type nameMismatch struct {
	name string
	to   target
}

func (e *nameMismatch) Error() string {
	return fmt.Sprintf("the handshake names %q, and the CONNECT named %s", e.name, e.to.host)
}

func (p *Proxy) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		// Records of full size from the start: small ones are for slow networks.
		DynamicRecordSizingDisabled: true,
		// The way from the agent to here does not leave the machine, or is the operator's: what takes a
		// handshake longer is of no use on it.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c, ok := hello.Conn.(*carried)
			if !ok {
				return nil, errors.New("a connection without a CONNECT")
			}
			if name := hello.ServerName; name != "" {
				if host, err := plainHost(name); err != nil || host != c.to.host {
					return nil, &nameMismatch{name: name, to: c.to}
				}
			}
			return nil, nil
		},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return p.cfg.Authority.Leaf(hello.Conn.(*carried).to.host)
		},
	}
}

// handover is a listener whose connections are given to it.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), done: make(chan struct{})}
}

// give hands a connection over, unless the listener is closed.
func (h *handover) give(c net.Conn) error {
	select {
	case h.conns <- c:
		return nil
	case <-h.done:
		return net.ErrClosed
	}
}

// Accept implements [net.Listener].
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements [net.Listener].
func (h *handover) Addr() net.Addr { return &net.TCPAddr{} }

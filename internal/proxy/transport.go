package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/keybearer/keybearer/internal/egress"
)

const (
	dialTimeout = 10 * time.Second
	// idlePerHost keeps connections: with fewer than the clients that ask at once, most requests would
	// pay for a handshake.
	idlePerHost = 256
	idleLife    = 90 * time.Second
	// silence is how long an HTTP/2 connection may be quiet before it is asked whether it lives.
	silence = 15 * time.Second
	// bufferSize is what a connection to an upstream reads and writes at once.
	bufferSize = 16 << 10
)

// transports are the ways to upstreams. Clients that speak HTTP/2 to us are given upstreams that may, too;
// the others get connections of HTTP/1 of their own, as they would have had without us.
type transports struct {
	h1, h2   *http.Transport // to what routes and rules name
	stranger *http.Transport // to anything else, over plain HTTP
	via1     *http.Transport // the same through the proxy before us
	via2     *http.Transport
}

func newTransports(cfg *Config) transports {
	open := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: egress.ReachAll.Control()}
	far := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: cfg.reach().Control()}
	free := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second} // to the proxy before us, which dials
	t := transports{
		h1: newTransport(cfg, open.DialContext, false), h2: newTransport(cfg, open.DialContext, true),
		stranger: newTransport(cfg, far.DialContext, false),
		via1:     newTransport(cfg, free.DialContext, false), via2: newTransport(cfg, free.DialContext, true),
	}
	through := func(r *http.Request) (*url.URL, error) { return cfg.upstream(r.URL) }
	t.via1.Proxy, t.via2.Proxy = through, through
	return t
}

func newTransport(cfg *Config, dial func(ctx context.Context, network, address string) (net.Conn, error), h2 bool) *http.Transport {
	t := &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    handshakeTimeout,
		DisableCompression:     true, // what the agent asked for is what it gets
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleLife,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		ReadBufferSize:         bufferSize,
		WriteBufferSize:        bufferSize,
		Protocols:              new(http.Protocols),
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: silence},
	}
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(h2)
	return t
}

// upstream is the proxy for a URL, or nil.
func (c *Config) upstream(u *url.URL) (*url.URL, error) {
	if c.Upstream == nil {
		return nil, nil
	}
	return c.Upstream(u)
}

// reach is how far tunnels lead that no rule names.
func (c *Config) reach() egress.Reach {
	if c.Private {
		return egress.ReachPrivate
	}
	return egress.ReachPublic
}

// of chooses the way to an upstream: strange are those that no route and no rule names.
func (t *transports) of(cfg *Config, u *url.URL, h2, strange bool) (*http.Transport, error) {
	via, err := cfg.upstream(u)
	switch {
	case err != nil:
		return nil, err
	case via != nil && h2:
		return t.via2, nil
	case via != nil:
		return t.via1, nil
	case strange:
		return t.stranger, nil
	case h2:
		return t.h2, nil
	}
	return t.h1, nil
}

func (t *transports) close() {
	for _, one := range []*http.Transport{t.h1, t.h2, t.stranger, t.via1, t.via2} {
		one.CloseIdleConnections()
	}
}

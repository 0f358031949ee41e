package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer/secret"
)

const (
	headerTimeout    = 30 * time.Second
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 5 * time.Minute
	maxHeaderBytes   = 128 << 10
)

// Proxy is a forward proxy. It is safe for concurrent use.
type Proxy struct {
	cfg Config
	log *slog.Logger
	now func() time.Time

	table  atomic.Pointer[table]
	agents atomic.Pointer[map[string]*agent]
	nobody secret.String // what the secret of an unknown agent is compared with

	outer, inner *http.Server
	tls          *tls.Config
	intercepted  *handover
	transports   transports
	buffers      sync.Pool

	life context.Context
	stop context.CancelFunc

	mu      sync.Mutex // guards agents, for writers, and what follows
	closed  bool
	work    sync.WaitGroup
	conns   map[net.Conn]struct{} // those that were taken over from a server
	started bool

	news    news
	reading chan struct{} // held by the one who reads the routes, and guards behind
	behind  bool          // there are news that were not read
}

// New makes a proxy and reads the routes. It has to be closed.
func New(ctx context.Context, cfg Config) (*Proxy, error) {
	if cfg.Source == nil || cfg.Authority == nil {
		return nil, errors.New("a proxy needs a source of tokens and an authority")
	}
	p := &Proxy{cfg: cfg, log: cfg.Log, now: cfg.Now, nobody: secret.New(randomText(alphanumeric, 40)), conns: map[net.Conn]struct{}{}, reading: make(chan struct{}, 1)}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.now == nil {
		p.now = time.Now
	}
	p.life, p.stop = context.WithCancel(context.Background())
	p.buffers.New = func() any { return new([copyBuffer]byte) }
	p.agents.Store(&map[string]*agent{})
	p.intercepted = newHandover()
	p.tls = p.serverTLS()
	p.transports = newTransports(&p.cfg)
	p.outer = p.server(http.HandlerFunc(p.serveOuter))
	p.inner = p.server(http.HandlerFunc(p.serveInner))
	p.inner.ConnContext = carriedContext
	p.inner.Protocols = new(http.Protocols)
	p.inner.Protocols.SetHTTP1(true)
	p.inner.Protocols.SetHTTP2(true)
	if err := p.Reload(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *Proxy) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:                     slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		DisableGeneralOptionsHandler: true,
	}
}

// Serve takes agents' connections from a listener until [Proxy.Close], which makes it return nil. It may be
// called for several listeners.
func (p *Proxy) Serve(l net.Listener) error {
	if !p.begin() {
		return errors.Join(errors.New("the proxy is closed"), l.Close())
	}
	defer p.end()
	p.startInner()
	if err := p.outer.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (p *Proxy) startInner() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started {
		return
	}
	p.started = true
	p.work.Go(func() { _ = p.inner.Serve(p.intercepted) }) // ends with Close
}

// Reload reads the routes anew, and forgets the tokens of connections that changed or went. Requests under
// way are not disturbed.
func (p *Proxy) Reload(ctx context.Context) error {
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer p.leave()
	return p.read(ctx)
}

// Look does so if [Config.Refresh] has news, or had some that could not be read yet.
func (p *Proxy) Look(ctx context.Context) error {
	if p.cfg.Refresh == nil {
		return nil
	}
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer p.leave()
	changed, err := p.cfg.Refresh(ctx)
	if p.behind = p.behind || changed; err != nil || !p.behind {
		return err
	}
	return p.read(ctx)
}

func (p *Proxy) read(ctx context.Context) error {
	routes, err := p.cfg.Source.Routes(ctx)
	if err != nil {
		return err
	}
	p.table.Store(newTable(routes, p.table.Load()))
	p.behind = false
	return nil
}

// enter waits until nobody else reads the routes.
func (p *Proxy) enter(ctx context.Context) error {
	select {
	case p.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Proxy) leave() { <-p.reading }

// Close ends the proxy: no connection is accepted any more, requests have until ctx is done, tunnels end at
// once. It returns when all that the proxy started has ended.
func (p *Proxy) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := errors.Join(p.outer.Shutdown(ctx), p.inner.Shutdown(ctx))
	p.stop()
	_ = p.outer.Close()
	_ = p.inner.Close()
	_ = p.intercepted.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
	p.transports.close()
	return err
}

// begin reports whether something may still be started, which then has to end.
func (p *Proxy) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.work.Add(1)
	return true
}

func (p *Proxy) end() { p.work.Done() }

// keep holds a connection that was taken over, so that Close ends it.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.conns[c] = struct{}{}
	}
	return !p.closed
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

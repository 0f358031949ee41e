package desk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/pages"
)

// DefaultIdle is how long a desk waits for its person before it ends.
const DefaultIdle = time.Hour

const (
	host          = "127.0.0.1"
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = time.Minute // a login's first step may take its time
	// handlingTime is how long what a button does may go on after the end, and closeTime how long connections may: browsers
	// open some ahead, which look like requests to come.
	handlingTime   = 5 * time.Second
	closeTime      = 300 * time.Millisecond
	maxHeaderBytes = 64 << 10
)

// Config is what a desk is made of.
type Config struct {
	// Home does the work. Needed.
	Home Home
	// Port is the one of loopback to listen on; 0 takes a free one.
	Port int
	// Idle is how long nobody may use it until it ends; 0 means [DefaultIdle].
	Idle time.Duration
	// Log takes mistakes of ours, which the page does not spell out; nil means nowhere.
	Log *slog.Logger
	// Now is the clock of the page; nil means time.Now.
	Now func() time.Time
}

// Desk is an open desk. It is safe for concurrent use. Run it, or close it.
type Desk struct {
	cfg      Config
	views    views
	listener net.Listener
	server   *http.Server
	gate     *gate
	word     string // the path below which everything is
	used     chan struct{}
	touched  atomic.Int64

	mu       sync.Mutex
	notice   string    // what the page says once
	login    *underway // or nil
	ended    bool      // no login and no request begins any more
	logins   sync.WaitGroup
	handling sync.WaitGroup // requests
	begin    sync.Mutex     // held by who begins a login
}

// Open begins to listen. Kind: Conflict where the port is taken.
func Open(ctx context.Context, cfg Config) (*Desk, error) {
	if cfg.Idle == 0 {
		cfg.Idle = DefaultIdle
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(cfg.Port)))
	if err != nil {
		return nil, keybearer.Errorf(keybearer.Conflict, "port %d, where the page was to be, is taken: %w. Without --port a free one is used", cfg.Port, err)
	}
	word := "/" + rand.Text()
	d := &Desk{cfg: cfg, views: newViews(word), listener: l, gate: newGate(word), word: word, used: make(chan struct{}, 1)}
	d.server = &http.Server{
		Handler: d.routes(), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	return d, nil
}

// URL is where the person's browser comes in. It works once.
func (d *Desk) URL() string { return d.origin() + enterPath + d.gate.ticket }

func (d *Desk) origin() string { return "http://" + d.listener.Addr().String() }

func (d *Desk) port() int { return d.listener.Addr().(*net.TCPAddr).Port }

// Run serves until ctx ends, or until nobody has used it for the time that was configured: then idle is true. A
// login that is under way is broken off.
func (d *Desk) Run(ctx context.Context) (idle bool, err error) {
	served := make(chan error, 1)
	go func() { served <- d.server.Serve(d.listener) }()
	patience := time.NewTimer(d.cfg.Idle)
	defer patience.Stop()
	for waiting := true; waiting; {
		select {
		case <-ctx.Done():
			waiting = false
		case <-d.used:
			patience.Reset(d.cfg.Idle)
		case <-patience.C:
			idle, waiting = true, false
		case err := <-served:
			return false, fmt.Errorf("serving the page: %w", errors.Join(err, d.stop(context.WithoutCancel(ctx))))
		}
	}
	err = d.stop(context.WithoutCancel(ctx))
	<-served // says that it was closed
	return idle, err
}

// stop ends the login, what is being done, and the listener.
func (d *Desk) stop(ctx context.Context) error {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.cancel(nil)
	handled := make(chan struct{})
	go func() { defer close(handled); d.handling.Wait() }()
	over := time.NewTimer(handlingTime)
	defer over.Stop()
	select {
	case <-handled:
	case <-over.C:
	}
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	err := d.server.Shutdown(ctx)
	if err != nil {
		err = d.server.Close()
	}
	<-handled // nothing uses the home any more
	d.logins.Wait()
	if err != nil {
		return fmt.Errorf("closing the page's listener: %w", err)
	}
	return nil
}

// enterable counts a request, and reports false where the desk has ended; leave is for its end.
func (d *Desk) enterable() (leave func(), ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil, false
	}
	d.handling.Add(1)
	return d.handling.Done, true
}

// touch says that the person is there.
func (d *Desk) touch() {
	d.touched.Add(1)
	select {
	case d.used <- struct{}{}:
	default:
	}
}

func (d *Desk) routes() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, h) }
	open("GET "+enterPath+"{ticket}", d.enter)
	open("GET /assets/desk.css", styleSheet)
	shared := pages.Assets()
	mux.Handle("GET /assets/pages.css", shared)
	mux.Handle("GET /favicon.svg", shared)
	open("GET "+d.word+"/back", d.back)
	own := func(pattern string, h http.HandlerFunc) {
		mux.Handle(pattern, d.gate.holders(func(w http.ResponseWriter, r *http.Request) {
			d.touch()
			h(w, r)
		}, d.stranger))
	}
	own("GET "+d.word+"/{$}", d.page)
	own("GET "+d.word+"/connect/{id}", d.connectPage)
	own("POST "+d.word+"/connect/{id}", d.connect)
	own("GET "+d.word+"/login", d.loginPage)
	own("POST "+d.word+"/cancel", d.cancelLogin)
	own("GET "+d.word+"/disconnect/{id}", d.disconnectPage)
	own("POST "+d.word+"/disconnect/{id}", d.disconnect)
	own("POST "+d.word+"/default/{id}", d.makeDefault)
	// A tab that is left open asks for the log again and again: that is nobody's presence.
	mux.Handle("GET "+d.word+"/log", d.gate.holders(d.log, d.stranger))
	mux.Handle("/", d.gate.holders(d.nowhere, d.stranger))
	return d.guarded(mux)
}

// Package engine assembles a running engine out of the rooms below: it opens the storage, checks the
// root keys, installs the file's providers, starts the listeners and the background work, and stops
// all of it in the right order. It decides nothing about authorizations; the root package does.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/audit"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/datakey"
	"github.com/keybearer/keybearer/internal/egress"
	"github.com/keybearer/keybearer/internal/fault"
	"github.com/keybearer/keybearer/internal/gateway"
	"github.com/keybearer/keybearer/internal/httpapi"
	"github.com/keybearer/keybearer/internal/pages"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/internal/workers"
)

const (
	// longPoll is how long a status request may wait, with time to write the answer.
	longPoll = 75 * time.Second
	// Each part of an orderly stop has a time of its own, so that a slow request costs no refresh: the
	// requests, then the exchanges and refreshes, then the audit.
	requestsTimeout = 10 * time.Second
	toolsTimeout    = 10 * time.Second
	brokerTimeout   = 30 * time.Second
	auditTimeout    = 10 * time.Second
	pruneEvery      = 10 * time.Minute
	maxHeaderBytes  = 64 << 10
)

// Options are what an engine is started with.
type Options struct {
	Config *config.Config
	Log    *slog.Logger
	// Announce is where what is shown once goes: a generated API key and admin password.
	Announce io.Writer
	// Version is what the engine calls itself.
	Version string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Engine is a started engine. Its listener is open; [Engine.Run] serves.
type Engine struct {
	log      *slog.Logger
	now      func() time.Time
	store    store
	recorder *audit.Recorder
	broker   *keybearer.Broker
	tools    *workers.Toolbox
	gateway  *gateway.Door
	egress   func(keybearer.Origin) *http.Client
	listener net.Listener
	server   *http.Server
	public   string
	keys     *datakey.Keyring
	keep     sqlstore.Retention
	// shared: other engines may run on the same database. Then there is a clock that they share.
	shared bool
	clock  *clock
}

// Start opens everything and begins to listen. On an error nothing stays open.
func Start(ctx context.Context, o Options) (_ *Engine, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	cfg := o.Config
	e := &Engine{log: o.Log, now: o.Now, keep: retention(cfg)}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close(context.WithoutCancel(ctx)))
		}
	}()
	if e.listener, err = listen(ctx, cfg.API.Host, cfg.API.Port); err != nil {
		return nil, err
	}
	e.public = cfg.API.PublicOrigin(e.listener.Addr().(*net.TCPAddr).Port)
	e.shared = cfg.Storage.Postgres != nil
	patient := &patience{none: !e.shared, began: time.Now(), log: o.Log}
	if err := e.openStorage(ctx, cfg, patient); err != nil {
		return nil, err
	}
	static, err := fileProviders(cfg, e.keys)
	if err != nil {
		return nil, err
	}
	staticWorkers, err := fileWorkers(cfg, e.keys)
	if err != nil {
		return nil, err
	}
	e.recorder = audit.New(audit.Config{Sink: e.store, Log: o.Log})
	if e.broker, err = e.newBroker(cfg, e.keys, static, staticWorkers); err != nil {
		return nil, err
	}
	e.newTools(cfg, o.Version)
	if err := e.firstStart(ctx, cfg, o.Announce, patient); err != nil {
		return nil, err
	}
	e.warn(cfg)
	handler, err := e.handler(cfg, o.Version)
	if err != nil {
		return nil, err
	}
	e.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       cfg.API.ReadTimeout,
		WriteTimeout:      max(cfg.API.WriteTimeout, longPoll),
		IdleTimeout:       cfg.API.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return e, nil
}

// openStorage opens the database, with its clock and its keys.
func (e *Engine) openStorage(ctx context.Context, cfg *config.Config, patient *patience) error {
	if err := patient.ask(ctx, func(ctx context.Context) (err error) {
		e.store, err = openStore(ctx, cfg)
		return err
	}); err != nil {
		return err
	}
	if e.shared {
		if err := patient.ask(ctx, func(ctx context.Context) (err error) {
			e.clock, err = newClock(ctx, e.now, e.store.Clock, e.log)
			return err
		}); err != nil {
			return err
		}
		e.now = e.clock.now
	}
	return patient.ask(ctx, func(ctx context.Context) (err error) {
		e.keys, err = openKeys(ctx, cfg, e.store, e.log, e.now)
		return err
	})
}

func listen(ctx context.Context, host string, port int) (net.Listener, error) {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w. Choose another api.port, or stop what uses this one", address, err)
	}
	return l, nil
}

func (e *Engine) newBroker(cfg *config.Config, sealer keybearer.Sealer, static []keybearer.Provider, staticWorkers []keybearer.Worker) (*keybearer.Broker, error) {
	operator, public := egress.Operator(), egress.Public(cfg.Security.AllowNetworks)
	operator.Transport, public.Transport = fault.Transport(operator.Transport), fault.Transport(public.Transport)
	if cfg.API.Development {
		public = operator
	}
	e.egress = func(o keybearer.Origin) *http.Client {
		if o == keybearer.FromFile {
			return operator
		}
		return public
	}
	b := keybearer.Config{
		Connections: e.store, Flows: e.store, Attempts: e.store, Providers: e.store, Keys: e.store,
		Accounts: e.store, Sessions: e.store, Settings: e.store, Workers: e.store, ToolSecrets: e.store, Runs: e.store, Clients: e.store, ClientGrants: e.store,
		Sealer: sealer, Static: static, StaticWorkers: staticWorkers, Catalog: catalog.Definition, Sites: atlassian.SiteRules{}, CheckScopes: doubtfulScopes,
		HTTP:      e.egress,
		AllowHTTP: cfg.API.Development, AllowSkip: cfg.API.Development,
		PublicURL:      e.public,
		SharedCallback: cfg.Auth.Callback == config.CallbackShared,
		Confirm:        keybearer.ConfirmPage(cfg.Auth.ConfirmPage),
		NextURIOrigins: cfg.Auth.NextURIOrigins,
		Recorder:       e.recorder, Events: e.store, Log: e.log, Now: e.now,
	}
	if sv := cfg.Auth.SessionVerification; sv != nil {
		b.VerificationFixed = true
		b.Verification = keybearer.Verification{VerifierURL: sv.VerifierURL, UnsafeSkip: sv.UnsafeSkipVerification}
	}
	e.replicaConfig(&b)
	return keybearer.New(b)
}

// warn tells the operator at start what weakens the protection of users.
func (e *Engine) warn(cfg *config.Config) {
	if sv := cfg.Auth.SessionVerification; sv != nil && sv.UnsafeSkipVerification {
		e.log.Warn("nobody verifies who consents: whoever opens an authorization link connects his account to the user it was made for. " +
			"Set auth.session_verification.verifier_url, or leave the section out to use the engine's own sign-in")
	}
	if e.store.InTheClear() {
		e.log.Warn("the way to the database may be in the clear, and nobody checks that it is the right server: set sslmode=verify-full for storage.postgres")
	}
	if cfg.API.Development {
		e.log.Warn("api.development is on: plain http and private addresses are permitted for providers. Do not let others reach this engine")
	}
}

// handler puts the doors together, at the root and below the path of the public URL, since some
// reverse proxies strip that path and others do not.
func (e *Engine) handler(cfg *config.Config, version string) (http.Handler, error) {
	door := httpapi.New(httpapi.Config{
		Broker: e.broker, Tools: e.tools, Health: e.store.Ping, MaxBody: cfg.API.MaxRequestBodySize, Version: version, Log: e.log,
	})
	mux := http.NewServeMux()
	mux.Handle("/", pages.New(pages.Config{Broker: e.broker, PublicURL: e.public, Log: e.log}))
	mux.Handle("/v1/", door)
	mux.Handle("/api/v1/oauth/confirm_user", door)
	for _, path := range e.gateway.Paths() {
		mux.Handle(path, e.gateway)
	}
	public, err := url.Parse(e.public)
	if err != nil {
		return nil, fmt.Errorf("the public URL: %w", err)
	}
	if prefix := strings.TrimRight(public.Path, "/"); prefix != "" {
		below := http.NewServeMux()
		below.Handle(prefix+"/", http.StripPrefix(prefix, mux))
		below.Handle("/", mux)
		return below, nil
	}
	return mux, nil
}

// URL is where browsers and apps reach the engine.
func (e *Engine) URL() string { return e.public }

// Broker gives the engine's broker, for programs that start an engine within themselves.
func (e *Engine) Broker() *keybearer.Broker { return e.broker }

// Run serves until ctx ends, then stops in order: waiting status requests answer at once, running
// requests, exchanges and refreshes are finished, the audit is written out, the storage closed.
func (e *Engine) Run(ctx context.Context) error {
	stopping := context.WithoutCancel(ctx)
	background, stop := context.WithCancel(stopping)
	var work sync.WaitGroup
	work.Go(func() { e.prune(background) })
	work.Go(func() { e.tendKeys(background) })
	work.Go(func() { e.upkeep(background) })
	work.Go(func() { e.runTools(background) })
	if e.shared {
		work.Go(func() { e.hear(background) })
		work.Go(func() { e.clock.keep(background) })
	}
	served := make(chan error, 1)
	work.Go(func() { served <- e.server.Serve(e.listener) })

	e.log.Info("the engine is serving", "url", e.public, "address", e.listener.Addr().String())
	providers := e.tellProviders(stopping)
	work.Go(func() { e.preflight(background, providers) })
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-served:
	}
	e.broker.Drain()
	e.gateway.Close() // its streams would hold the server up
	err := within(stopping, requestsTimeout, e.server.Shutdown)
	if err != nil { // some requests did not end in time
		err = errors.Join(err, e.server.Close())
	}
	stop()
	work.Wait()
	if errors.Is(failure, http.ErrServerClosed) {
		failure = nil
	}
	err = errors.Join(failure, err, e.close(stopping))
	e.log.Info("the engine has stopped")
	return err
}

// tellProviders says at start what has to be registered where.
func (e *Engine) tellProviders(ctx context.Context) []keybearer.Provider {
	providers, err := e.broker.As(keybearer.Caller{Name: "engine", Admin: true}).Providers(ctx)
	if err != nil {
		e.log.Warn("the providers could not be listed", "error", err)
		return nil
	}
	for _, p := range providers {
		if p.Status == keybearer.ProviderActive && p.ClientID != "" {
			e.log.Info("provider", "id", p.ID, "redirect_uri_to_register", e.broker.RedirectURI(&p))
		}
	}
	if len(providers) == 0 {
		e.log.Info("no provider is configured yet: add one under auth.providers in engine.yaml, or with keybearer provider add")
	}
	return providers
}

func within(ctx context.Context, d time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return do(ctx)
}

// close gives back what Start opened, in the reverse order; parts that were not opened are left out.
func (e *Engine) close(ctx context.Context) error {
	var errs []error
	if e.listener != nil {
		if err := e.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if e.gateway != nil {
		e.gateway.Close()
	}
	if e.tools != nil {
		errs = append(errs, within(ctx, toolsTimeout, e.tools.Close))
	}
	if e.broker != nil {
		errs = append(errs, within(ctx, brokerTimeout, e.broker.Close))
	}
	if e.recorder != nil {
		errs = append(errs, within(ctx, auditTimeout, e.recorder.Close))
	}
	if e.store != nil {
		errs = append(errs, e.store.Close())
	}
	return errors.Join(errs...)
}

// retention is the configuration's, in which 0 is for ever.
func retention(cfg *config.Config) sqlstore.Retention {
	keep := func(d time.Duration) time.Duration {
		if d == 0 {
			return -1
		}
		return d
	}
	r := cfg.Storage.Retention
	return sqlstore.Retention{Flows: keep(r.Authorizations), Events: keep(r.Audit), Dead: keep(r.DeadConnections)}
}

// prune removes what is over, at start and then now and then.
func (e *Engine) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if _, err := e.store.Prune(ctx, e.now(), e.keep); err != nil && ctx.Err() == nil {
			e.log.Warn("old rows could not be removed; trying again later", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// upkeep looks after connections while nobody asks for them.
func (e *Engine) upkeep(ctx context.Context) {
	if err := e.broker.Upkeep(ctx, keybearer.DefaultProject); err != nil {
		e.log.Error("nobody looks after the connections", "error", err)
	}
}

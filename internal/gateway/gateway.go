package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
)

// Toolbox is what the gateway asks of internal/workers; *workers.Toolbox is one.
type Toolbox interface {
	Tools(ctx context.Context, v *keybearer.View, f workers.Filter) ([]*workers.Tool, error)
	Execute(ctx context.Context, v *keybearer.View, c workers.Call) (api.Execution, error)
	Changed() (<-chan struct{}, func())
}

// Config is what the door needs. The zero value of each optional field means what its comment says.
type Config struct {
	Broker  *keybearer.Broker
	Toolbox Toolbox
	// PublicURL is where clients reach the engine, without a trailing slash.
	PublicURL string
	// Gateways are those beside the default one, by id.
	Gateways []Gateway
	// Version is the engine's.
	Version string
	// MaxBody bounds what a client sends at once, in bytes; 0 means 4 MiB.
	MaxBody int64
	// Patience is how long a call waits for a user who has opened the link; 0 means five minutes.
	Patience time.Duration
	// IdleSession is how long a session without a request is kept; 0 means half an hour.
	IdleSession time.Duration
	// Log takes what an operator should see; nil means nothing.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

const (
	defaultMaxBody     = 4 << 20
	defaultPatience    = 5 * time.Minute
	defaultIdleSession = 30 * time.Minute
)

// Door is the MCP door. It is safe for concurrent use. Close it after use.
type Door struct {
	cfg     Config
	log     *slog.Logger
	mux     *http.ServeMux
	servers []*server
	signIn  *authority
	running running

	end  context.CancelFunc
	work sync.WaitGroup
}

// New makes the door. Its handler is [Door.ServeHTTP]; which paths it wants, [Door.Paths] tells.
func New(cfg Config) *Door {
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.Patience == 0 {
		cfg.Patience = defaultPatience
	}
	if cfg.IdleSession == 0 {
		cfg.IdleSession = defaultIdleSession
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	d := &Door{cfg: cfg, log: cfg.Log, mux: http.NewServeMux()}
	d.signIn = newAuthority(d)
	d.serve("/mcp", Gateway{})
	for _, g := range cfg.Gateways {
		d.serve("/mcp/"+g.ID, g)
	}
	d.signIn.routes(d.mux)
	life, end := context.WithCancel(context.Background())
	d.end = end
	d.work.Go(func() { d.hear(life) })
	return d
}

// Paths are the patterns that a [http.ServeMux] should give to the door.
func (d *Door) Paths() []string {
	return []string{"/mcp", "/mcp/", "/oauth/token", "/oauth/register", "/oauth/revoke", "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/", "/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/"}
}

// ServeHTTP answers what [Door.Paths] names.
func (d *Door) ServeHTTP(w http.ResponseWriter, req *http.Request) { d.mux.ServeHTTP(w, req) }

// Close ends all sessions, and waits for what goes on in the background.
func (d *Door) Close() {
	d.end()
	d.running.close()
	d.work.Wait()
	for _, s := range d.servers {
		for session := range s.mcp.Sessions() {
			_ = session.Close() // it is over either way
		}
	}
}

// serve offers a gateway at a path.
func (d *Door) serve(path string, g Gateway) {
	s := newServer(d, path, g)
	d.servers = append(d.servers, s)
	d.mux.Handle(path, s.handler())
}

// hear tells all sessions when the list of tools has changed.
func (d *Door) hear(ctx context.Context) {
	changed, stop := d.cfg.Toolbox.Changed()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			for _, s := range d.servers {
				s.changed()
			}
		}
	}
}

// implementation is how a gateway calls itself.
func (d *Door) implementation() *mcp.Implementation {
	version := d.cfg.Version
	if version == "" {
		version = "devel"
	}
	return &mcp.Implementation{Name: "keybearer", Title: "Keybearer", Version: version}
}

package httpapi

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/workers"
)

// Config is what the door needs. The zero value of each optional field means what its comment says.
type Config struct {
	Broker *keybearer.Broker
	// Tools are those of all workers; nil means that there are none here.
	Tools *workers.Toolbox
	// Health says what keeps the engine from serving; nil means nothing ever does.
	Health func(context.Context) error
	// MaxBody bounds request bodies, in bytes; 0 means 4 MiB.
	MaxBody int64
	// Version is the engine's, for GET /v1/config.
	Version string
	// Log takes internal errors, and at debug level every request; nil means nothing.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

const defaultMaxBody = 4 << 20

// New makes the handler of /v1/ and of POST /api/v1/oauth/confirm_user. Everything else that reaches
// it is answered with a JSON 404. The handler is safe for concurrent use and starts no goroutines.
//
// The server's own time limits may be shorter than a long poll: the door moves the deadlines of such
// a request by itself. [keybearer.Broker.Drain] ends all long polls; call it before the server shuts
// down, or they hold it up.
func New(cfg Config) http.Handler {
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.Health == nil {
		cfg.Health = func(context.Context) error { return nil }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &door{
		Config: cfg, mux: http.NewServeMux(), replays: newReplays(cfg.Now),
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	for _, r := range routes() {
		d.mux.Handle(r.method+" "+r.path, d.serve(&r))
		if alias, ok := r.alias(); ok {
			d.mux.Handle(r.method+" "+alias, d.serve(&r))
		}
	}
	d.mux.Handle("/", d.serve(nil))
	return d.mux
}

type door struct {
	Config
	mux     *http.ServeMux
	replays *replays
	buffers sync.Pool // of *bytes.Buffer
}

// largestPooled is the size beyond which a buffer is left to the garbage collector.
const largestPooled = 64 << 10

func (d *door) buffer() *bytes.Buffer {
	b := d.buffers.Get().(*bytes.Buffer) // the pool makes nothing else
	b.Reset()
	return b
}

func (d *door) release(b *bytes.Buffer) {
	if b.Cap() <= largestPooled {
		d.buffers.Put(b)
	}
}

// allowed lists the methods that the path of a request knows, for an answer 405.
func (d *door) allowed(req *http.Request) string {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := req.Clone(req.Context())
		other.Method = m
		if _, pattern := d.mux.Handler(other); pattern != "/" {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}

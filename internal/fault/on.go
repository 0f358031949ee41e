//go:build chaos

package fault

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is what the environment makes of this one.
type process struct {
	name  string
	clock time.Duration // how wrong it is
	mu    sync.Mutex    // guards the rest
	log   *os.File
	hits  map[Point]int
	stops []stop
}

// stop is what to do when a point is passed for the n-th time.
type stop struct {
	deed string
	at   Point
	n    int
}

// this reads the environment at its first use. It is a variable of the package, which there are none of
// elsewhere here, since the points have nobody to be handed it by; no shipped build has it.
var this = sync.OnceValue(func() *process {
	p := &process{name: os.Getenv("KEYBEARER_CHAOS_NAME"), hits: map[Point]int{}}
	var err error
	if p.stops, err = parseStops(os.Getenv("KEYBEARER_CHAOS_STOP")); err == nil {
		p.clock, err = time.ParseDuration(cmp.Or(os.Getenv("KEYBEARER_CHAOS_CLOCK"), "0"))
	}
	if file := os.Getenv("KEYBEARER_CHAOS_LOG"); err == nil && file != "" {
		p.log, err = os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	}
	if err != nil {
		panic(fmt.Sprintf("the environment of a chaos build: %v", err))
	}
	return p
})

// At is passed by whoever is at this point with this connection. It may not return.
func At(p Point, connection string) { this().pass(p, connection) }

// Now is the time, as wrong as the environment wants it. Differences between two of its times are right,
// as they are on a machine whose clock was set wrong.
func Now() time.Time { return time.Now().Add(this().clock) }

// Transport passes AfterSend for every POST, and tells the server the name of this process.
func Transport(rt http.RoundTripper) http.RoundTripper { return transport{rt} }

type transport struct{ base http.RoundTripper }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if req.Method == http.MethodPost {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			WroteRequest: func(w httptrace.WroteRequestInfo) {
				if w.Err == nil {
					At(AfterSend, "")
				}
			},
		})
	}
	out := req.Clone(ctx)
	out.Header.Set("User-Agent", this().name)
	return t.base.RoundTrip(out)
}

// pass notes the point and does what is due there. Others wait meanwhile at theirs: what they pass
// is noted before or not at all.
func (p *process) pass(at Point, connection string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hits[at]++
	i := slices.IndexFunc(p.stops, func(s stop) bool { return s.at == at && s.n == p.hits[at] })
	deed := "pass"
	if i >= 0 {
		deed = p.stops[i].deed
	}
	if p.log != nil {
		if _, err := fmt.Fprintln(p.log, Line{Time: time.Now(), Deed: deed, At: at, Connection: connection}); err != nil {
			panic(err)
		}
	}
	switch deed {
	case "die":
		_ = p.log.Sync()
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal may take a moment, in which nothing more is to happen here
	case "freeze":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}

func parseStops(text string) ([]stop, error) {
	var stops []stop
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		deed, rest, _ := strings.Cut(part, "@")
		at, count, _ := strings.Cut(rest, ":")
		n, err := strconv.Atoi(count)
		if err != nil || deed != "die" && deed != "freeze" || !slices.Contains(Points(), Point(at)) {
			return nil, fmt.Errorf("%q is not like die@before-commit:12", part)
		}
		stops = append(stops, stop{deed, Point(at), n})
	}
	return stops, nil
}

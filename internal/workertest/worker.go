// Package workertest is a small real worker, for tests.
//
// It speaks the worker protocol over real HTTP, checks the engine's JWT as published workers do, keeps a history of what it
// was asked to run, and can be bent: away, slow, hanging up in the middle. What an engine makes of that is the
// business of whoever tests it.
package workertest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/keybearer/keybearer/api"
)

// Fault is what a worker does in place of its work.
type Fault string

// The faults. A worker that is away is none of them; see [Worker.Down].
const (
	Sound   Fault = ""
	Slow    Fault = "slow"    // answers nothing until the client has gone
	HangUp  Fault = "hang up" // runs the tool, begins to answer, and breaks the connection
	Garbage Fault = "garbage" // runs the tool and answers with what is no JSON
	Broken  Fault = "broken"  // runs the tool and answers 500
	Busy    Fault = "busy"    // answers 503
	Moved   Fault = "moved"   // sends the client elsewhere
	Gone    Fault = "gone"    // answers 404, as for a tool that is not there any more
)

// Run is what a tool does.
type Run func(ctx context.Context, in api.Invocation) api.InvocationOutput

// Worker is a worker on a port of its own. It is safe for concurrent use.
type Worker struct {
	// URL is its base address. It stays the same when the worker goes down and comes up.
	URL string

	tb      testing.TB
	address string

	mu      sync.Mutex
	secret  string
	server  *http.Server
	serving chan struct{}
	fault   Fault
	order   []string
	tools   map[string]api.WorkerTool
	runs    map[string]Run
	raw     json.RawMessage
	said    []byte
	history []api.Invocation
	lists   int
	begun   chan api.Invocation
}

// Start makes a worker with the tools of [Hooli], and ends it with the test.
func Start(tb testing.TB, secret string) *Worker {
	tb.Helper()
	w := &Worker{tb: tb, secret: secret, tools: map[string]api.WorkerTool{}, runs: map[string]Run{}, begun: make(chan api.Invocation, 1000), address: "127.0.0.1:0"}
	for _, t := range Hooli() {
		w.Offer(t.Tool, t.Run)
	}
	w.Up()
	w.URL = "http://" + w.address
	tb.Cleanup(w.Down)
	return w
}

// Down ends the worker: connections are refused from now on.
func (w *Worker) Down() {
	w.mu.Lock()
	server, serving := w.server, w.serving
	w.server = nil
	w.mu.Unlock()
	if server != nil {
		_ = server.Close() // which ends running requests, too
		<-serving
	}
}

// Up brings it up again, at the same address.
func (w *Worker) Up() {
	w.tb.Helper()
	listener, err := net.Listen("tcp", w.address)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.address = listener.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.WorkerHealthPath, w.health)
	mux.HandleFunc("GET "+api.WorkerToolsPath, w.list)
	mux.HandleFunc("POST "+api.WorkerInvokePath, w.invoke)
	w.server, w.serving = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	go func(server *http.Server, serving chan struct{}) {
		defer close(serving)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			w.tb.Error(err)
		}
	}(w.server, w.serving)
}

// Bend makes the worker do otherwise from now on.
func (w *Worker) Bend(f Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// Secret changes the secret that the worker knows.
func (w *Worker) Secret(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secret = text
}

// Offer adds a tool to the list, or replaces it.
func (w *Worker) Offer(t api.WorkerTool, run Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.tools[t.Name]; !known {
		w.order = append(w.order, t.Name)
	}
	w.tools[t.Name], w.runs[t.Name] = t, run
}

// Withdraw takes a tool off the list.
func (w *Worker) Withdraw(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.tools, name)
	delete(w.runs, name)
}

// List makes the worker answer with this text when it is asked for its tools; nil is its own list again.
func (w *Worker) List(raw json.RawMessage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.raw = raw
}

// Answer makes the worker answer with this text whatever it is asked to run; nil is the tools' own answers again.
func (w *Worker) Answer(raw []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = raw
}

// History is what the worker was asked to run, first one first.
func (w *Worker) History() []api.Invocation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]api.Invocation(nil), w.history...)
}

// Lists counts how often the worker was asked for its tools.
func (w *Worker) Lists() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lists
}

// Begun gives each call when the worker has got it.
func (w *Worker) Begun() <-chan api.Invocation { return w.begun }

func (w *Worker) bent() Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}

func (w *Worker) health(rw http.ResponseWriter, r *http.Request) {
	if w.wayward(rw, r) {
		return
	}
	w.mu.Lock()
	count := len(w.tools)
	w.mu.Unlock()
	answer(rw, http.StatusOK, api.WorkerStatus{Status: "ok", ToolCount: strconv.Itoa(count)})
}

func (w *Worker) list(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.lists++
	w.mu.Unlock()
	if w.wayward(rw, r) || !w.authorized(rw, r) {
		return
	}
	w.mu.Lock()
	raw := w.raw
	tools := []api.WorkerTool{}
	for _, name := range w.order {
		if t, ok := w.tools[name]; ok {
			tools = append(tools, t)
		}
	}
	w.mu.Unlock()
	if raw != nil {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write(raw)
		return
	}
	answer(rw, http.StatusOK, tools)
}

// wayward does what a fault does before any work, and reports whether that was all.
func (w *Worker) wayward(rw http.ResponseWriter, r *http.Request) bool {
	switch w.bent() {
	case Slow:
		<-r.Context().Done()
	case Busy:
		answer(rw, http.StatusServiceUnavailable, map[string]string{"detail": "too busy"})
	case Moved:
		http.Redirect(rw, r, "http://"+w.address+"/elsewhere", http.StatusTemporaryRedirect)
	case Gone:
		answer(rw, http.StatusNotFound, map[string]string{"error": "no such tool"})
	default:
		return false
	}
	return true
}

// authorized checks the JWT as published workers do: HS256, audience, the claim ver, and the times.
func (w *Worker) authorized(rw http.ResponseWriter, r *http.Request) bool {
	w.mu.Lock()
	secret := w.secret
	w.mu.Unlock()
	claims := jwt.MapClaims{}
	text := r.Header.Get("Authorization")
	if len(text) > 7 {
		text = text[7:]
	}
	_, err := jwt.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return []byte(secret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(api.WorkerAudience), jwt.WithExpirationRequired())
	if err == nil && claims["ver"] != api.WorkerVersion {
		err = errors.New("unsupported version")
	}
	if err != nil {
		answer(rw, http.StatusUnauthorized, map[string]string{"detail": "Invalid token. Error: " + err.Error()})
		return false
	}
	return true
}

func (w *Worker) invoke(rw http.ResponseWriter, r *http.Request) {
	fault := w.bent()
	if fault == Moved || fault == Gone || fault == Busy {
		w.wayward(rw, r)
		return
	}
	if !w.authorized(rw, r) {
		return
	}
	var in api.Invocation
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		answer(rw, http.StatusUnprocessableEntity, map[string]string{"detail": err.Error()})
		return
	}
	w.mu.Lock()
	w.history = append(w.history, in)
	tool, known := w.tools[in.Tool.Name]
	run, said := w.runs[in.Tool.Name], w.said
	w.mu.Unlock()
	select {
	case w.begun <- in:
	default:
	}
	if said != nil {
		_, _ = rw.Write(said)
		return
	}
	if !known || in.Tool.Version != "" && in.Tool.Version != tool.Toolkit.Version {
		answer(rw, http.StatusInternalServerError, map[string]string{"detail": "tool not found"})
		return
	}
	if fault == Slow {
		<-r.Context().Done()
		return
	}
	begun := time.Now()
	out := run(r.Context(), in)
	result := api.InvocationResult{
		ExecutionID: in.ExecutionID, FinishedAt: time.Now().Format("2006-01-02T15:04:05.000000"), // no zone, as in Python
		Duration: float64(time.Since(begun).Microseconds()) / 1000, Success: out.Error == nil && out.RequiresAuthorization == nil, Output: out,
	}
	switch fault {
	case HangUp:
		text, _ := json.Marshal(result)
		rw.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = rw.Write(text[:len(text)/2])
		panic(http.ErrAbortHandler)
	case Garbage:
		_, _ = rw.Write([]byte("<html>it worked</html>"))
	case Broken:
		answer(rw, http.StatusInternalServerError, map[string]string{"detail": "it broke"})
	default:
		answer(rw, http.StatusOK, result)
	}
}

func answer(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v)
}

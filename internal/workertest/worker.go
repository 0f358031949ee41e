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
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer/api"
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

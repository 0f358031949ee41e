package keybearer

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/seal"
)

// WorkerID is the operator's name of a worker, unique in its project. It looks like a provider's.
type WorkerID string

// WorkerType says how one speaks to a worker.
type WorkerType string

// The types.
const (
	WorkerHTTP WorkerType = "http" // the worker protocol; see package api
	WorkerMCP  WorkerType = "mcp"  // the Model Context Protocol: streamable HTTP, or a command's stdio
)

// Worker is a server that has tools.
type Worker struct {
	Project ProjectID
	ID      WorkerID
	Type    WorkerType
	Enabled bool
	// Origin is FromFile for the workers of the operator's file, which nobody changes over the API.
	Origin Origin
	// URI is the base address of a worker of the worker protocol, without /worker, or the endpoint of an MCP
	// server; empty for one that is a Command.
	URI string
	// Timeout is how long one call may take.
	Timeout time.Duration
	// Retry is how often a call is tried again that cannot have reached the worker.
	Retry int
	// Headers go with each request to an MCP server; ${secret:NAME} in a value stands for a named secret.
	Headers map[string]string
	// Command and Env are an MCP server that is started here and spoken to over stdio. They come from the
	// operator's file alone: whoever may set them runs programs as the engine.
	Command []string
	Env     map[string]string
	// Secret holds what the worker and the engine share, sealed at [Worker.SecretPlace]; see [Worker.SealSecrets].
	Secret seal.Value
	// SecretNames are the names of its named secrets, sorted.
	SecretNames []string

	CreatedAt, UpdatedAt time.Time
	// Version counts the writes, from 1; see WorkerStore.
	Version int64
}

// SecretPlace is where the worker's secrets are sealed.
func (w *Worker) SecretPlace() []byte {
	return seal.Place("worker", string(w.Project), string(w.ID), "secret")
}

// The defaults and bounds of a worker.
const (
	DefaultWorkerTimeout = 30 * time.Second
	MaxWorkerTimeout     = 10 * time.Minute
	DefaultWorkerRetry   = 3
	MaxWorkerRetry       = 10

	maxWorkerURI     = 2048
	maxWorkerSecret  = 5000
	maxWorkerSecrets = 50
	maxWorkerHeaders = 50
)

var (
	workerSecretName = regexp.MustCompile(`^[A-Za-z0-9_]{1,100}$`)
	workerHeaderName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")
	workerSecretUse  = regexp.MustCompile(`\$\{secret:([^}]*)\}`)
)

// reservedHeaders are the transport's own.
func reservedHeaders() []string {
	return []string{"host", "connection", "content-length", "content-type", "transfer-encoding", "accept", "mcp-session-id", "mcp-protocol-version"}
}

// CheckWorker says what is wrong with a worker, if anything. Plain http is for workers of the operator's
// file, for this machine, and for development: users' tokens go there.
func CheckWorker(w *Worker, allowHTTP bool) error {
	if !providerIDPattern.MatchString(string(w.ID)) {
		return fmt.Errorf("worker id %q: use 1 to 100 lower-case letters, digits, \"-\" and \"_\", beginning with a letter or digit", w.ID)
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("worker %s: "+format, append([]any{w.ID}, args...)...)
	}
	switch {
	case w.Type != WorkerHTTP && w.Type != WorkerMCP:
		return wrong("the type %q is not known: use %s or %s", w.Type, WorkerHTTP, WorkerMCP)
	case w.Timeout < time.Second || w.Timeout > MaxWorkerTimeout:
		return wrong("the timeout must be between 1 second and %v", MaxWorkerTimeout)
	case w.Retry < 0 || w.Retry > MaxWorkerRetry:
		return wrong("retry must be between 0 and %d", MaxWorkerRetry)
	case len(w.Command) > 0 && w.Origin != FromFile:
		return wrong("a command can be a worker in engine.yaml only, since it runs as the engine")
	case len(w.Command) > 0 && (w.Type != WorkerMCP || w.URI != "" || w.Command[0] == ""):
		return wrong("a command is an MCP server of its own: give it the type %s and no uri", WorkerMCP)
	case w.Type == WorkerHTTP && len(w.Headers) > 0:
		return wrong("headers are for MCP servers: a worker of the worker protocol knows the engine by their secret")
	case len(w.Headers) > maxWorkerHeaders:
		return wrong("there are %d headers, and %d are allowed", len(w.Headers), maxWorkerHeaders)
	}
	if len(w.Command) == 0 {
		if err := checkWorkerURI(w, allowHTTP); err != nil {
			return wrong("%w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		value := w.Headers[name]
		if !workerHeaderName.MatchString(name) || len(value) > maxWorkerSecret || strings.ContainsAny(value, "\r\n\x00") {
			return wrong("the header %q is none that HTTP can carry", name)
		}
		if slices.Contains(reservedHeaders(), strings.ToLower(name)) {
			return wrong("the header %q is the protocol's own", name)
		}
		for _, use := range workerSecretUse.FindAllStringSubmatch(value, -1) {
			if !slices.Contains(w.SecretNames, use[1]) {
				return wrong("the header %q names the secret %q, which is not among its secrets", name, use[1])
			}
		}
	}
	return nil
}

func checkWorkerURI(w *Worker, allowHTTP bool) error {
	u, err := url.Parse(w.URI)
	switch {
	case err != nil || len(w.URI) > maxWorkerURI || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the uri must be an absolute http or https URL without user info")
	case u.Scheme == "http" && w.Origin != FromFile && !allowHTTP && !loopbackHost(u.Hostname()):
		return fmt.Errorf("the uri must begin with https, since users' tokens go there (http is for this machine, and for workers of engine.yaml)")
	}
	return nil
}

// clone gives a worker that shares nothing.
func (w Worker) clone() Worker {
	w.Headers, w.Env = maps.Clone(w.Headers), maps.Clone(w.Env)
	if len(w.Headers) == 0 {
		w.Headers = nil
	}
	if len(w.Env) == 0 {
		w.Env = nil
	}
	w.Command, w.Secret, w.SecretNames = storedList(w.Command), storedList(w.Secret), storedList(w.SecretNames)
	w.CreatedAt, w.UpdatedAt = storedTime(w.CreatedAt), storedTime(w.UpdatedAt)
	return w
}

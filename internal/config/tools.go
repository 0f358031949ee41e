package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// Tools is where tools come from.
type Tools struct {
	// Directors are groups of workers.
	Directors []Director `yaml:"directors,omitempty" jsonschema:"maxItems=100"`
}

// Director is a group of workers: the servers that have tools.
type Director struct {
	// ID is for people.
	ID string `yaml:"id" jsonschema:"required,minLength=1,maxLength=100"`
	// Enabled false keeps all workers of the group out of use.
	Enabled bool `yaml:"enabled,omitempty" jsonschema:"default=true"`
	// MaxTools is accepted and has no effect: all tools of a worker are there.
	MaxTools int `yaml:"max_tools,omitempty" jsonschema:"minimum=0,maximum=1000000"`
	// Workers are the servers.
	Workers []Worker `yaml:"workers,omitempty" jsonschema:"maxItems=500"`
}

// Worker is one server that has tools: with http it speaks the worker protocol, with mcp the Model Context
// Protocol.
type Worker struct {
	// ID names the worker: lower-case letters, digits, hyphen and underscore.
	ID string `yaml:"id" jsonschema:"required,minLength=1,maxLength=100,pattern=^[a-z0-9][a-z0-9_-]*$"`
	// Enabled false keeps the worker out of use; its values may then be empty.
	Enabled bool `yaml:"enabled,omitempty" jsonschema:"default=true"`
	// HTTP says where a worker of the worker protocol is.
	HTTP *HTTPWorker `yaml:"http,omitempty"`
	// MCP says where an MCP server is, or how it is started.
	MCP *MCPWorker `yaml:"mcp,omitempty"`

	// Position is where the entry begins.
	Position Position `yaml:"-"`
}

// HTTPWorker is a worker of the worker protocol.
type HTTPWorker struct {
	// URI is the worker's base address, without /worker, like http://localhost:8002.
	URI string `yaml:"uri,omitempty" jsonschema:"maxLength=2048"`
	// Secret is what the worker has as ARCADE_WORKER_SECRET or KEYBEARER_WORKER_SECRET. With
	// api.development an absent one is "dev".
	Secret secret.String `yaml:"secret,omitempty" jsonschema:"maxLength=1000"`
	// Timeout is how long one call may take, in seconds.
	Timeout int `yaml:"timeout,omitempty" jsonschema:"default=30,minimum=1,maximum=600"`
	// Retry is how often a call is tried again that cannot have reached the worker.
	Retry int `yaml:"retry,omitempty" jsonschema:"default=3,minimum=0,maximum=10"`
}

// MCPWorker is an MCP server: one with a uri, or one that the engine starts as a command.
type MCPWorker struct {
	// URI is the server's streamable HTTP endpoint, like https://tools.example.com/mcp.
	URI string `yaml:"uri,omitempty" jsonschema:"maxLength=2048"`
	// Headers go with each request to it; their values are kept as secrets.
	Headers map[string]string `yaml:"headers,omitempty"`
	// Command is a program with its arguments that speaks MCP over its standard input and output.
	Command []string `yaml:"command,omitempty" jsonschema:"maxItems=100"`
	// Env is what the program gets beside PATH and HOME.
	Env map[string]string `yaml:"env,omitempty"`
	// Timeout is how long one call may take, in seconds.
	Timeout int `yaml:"timeout,omitempty" jsonschema:"default=30,minimum=1,maximum=600"`
	// Retry is how often a call is tried again that cannot have reached the server.
	Retry int `yaml:"retry,omitempty" jsonschema:"default=3,minimum=0,maximum=10"`
}

// developmentSecret is what engines of this kind take for a worker's secret while one tries things out.
const developmentSecret = "dev"

func (c *checker) tools() {
	first := map[string]Position{}
	for i := range c.cfg.Tools.Directors {
		d := &c.cfg.Tools.Directors[i]
		for j := range d.Workers {
			w := &d.Workers[j]
			at := []string{"tools", "directors", strconv.Itoa(i), "workers", strconv.Itoa(j)}
			if here, _, ok := c.where(at); ok {
				w.Position = c.At(here.value)
			}
			if before, ok := first[w.ID]; ok && w.ID != "" {
				c.wrong(fmt.Sprintf("%s is already the id of the worker in line %d; use another", c.shownAs(w.ID, append(at, "id")...), before.Line), append(at, "id")...)
			} else {
				first[w.ID] = w.Position
			}
			w.Enabled = w.Enabled && d.Enabled
			if w.Enabled && !c.failedWithin(at) {
				c.worker(w, at)
			}
		}
	}
}

func (c *checker) worker(w *Worker, at []string) {
	uri := append(at[:5:5], "http", "uri")
	switch {
	case w.HTTP != nil && w.MCP != nil:
		c.wrong("http and mcp exclude one another; keep one", at...)
		return
	case w.HTTP == nil && w.MCP == nil:
		c.wrong("this worker says neither http nor mcp; write where it is", at...)
		return
	case w.MCP != nil && w.MCP.URI == "" && len(w.MCP.Command) == 0:
		c.wrong("an MCP server needs a uri or a command", append(at[:5:5], "mcp")...)
		return
	case w.MCP != nil:
		uri[5] = "mcp"
	case strings.TrimSpace(w.HTTP.URI) == "" && c.written(uri...):
		// Shipped templates have a worker whose address is an unset variable.
		c.doubt("the uri is empty, so this worker is left out; set it, or enabled: false", uri...)
		w.Enabled = false
		return
	case w.HTTP.Secret.IsZero() && c.cfg.API.Development:
		w.HTTP.Secret = secret.New(developmentSecret)
	case w.HTTP.Secret.IsZero():
		c.wrong("the secret is missing: whoever reaches the worker could call its tools, and it would not know the engine", append(at[:5:5], "http")...)
		return
	}
	stored := w.Stored()
	if err := keybearer.CheckWorker(&stored, true); err != nil {
		c.wrong(c.withoutExpanded(strings.TrimPrefix(err.Error(), "worker "+w.ID+": "), uri), uri...)
	}
}

// Stored is the worker as the Broker has it, without its secrets.
func (w *Worker) Stored() keybearer.Worker {
	out := keybearer.Worker{Project: keybearer.DefaultProject, ID: keybearer.WorkerID(w.ID), Type: keybearer.WorkerHTTP, Enabled: w.Enabled, Origin: keybearer.FromFile}
	if w.MCP != nil {
		out.Type, out.URI, out.Command, out.Env = keybearer.WorkerMCP, w.MCP.URI, w.MCP.Command, w.MCP.Env
		out.Timeout, out.Retry = time.Duration(w.MCP.Timeout)*time.Second, w.MCP.Retry
		return out
	}
	if w.HTTP != nil {
		out.URI, out.Timeout, out.Retry = w.HTTP.URI, time.Duration(w.HTTP.Timeout)*time.Second, w.HTTP.Retry
	}
	return out
}

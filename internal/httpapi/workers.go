package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

// workerRoutes are about the servers that have tools, for operators.
func workerRoutes() []route {
	one := []keybearer.Kind{keybearer.PermissionDenied, keybearer.NotFound, keybearer.NotImplemented}
	return []route{
		gives(route{
			method: http.MethodGet, path: "/v1/workers", id: "listWorkers", tag: "workers", admin: true, summary: "List the workers",
			query: []param{
				{name: "limit", kind: "integer", about: "The largest number of items: 25, also when it is absent, and at most 100."},
				{name: "offset", kind: "integer", about: "How many items to pass over."},
			},
			fails: []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied},
		}, listWorkers),
		takes(route{
			method: http.MethodPost, path: "/v1/workers", id: "createWorker", tag: "workers", admin: true, once: true, status: http.StatusCreated,
			summary: "Register a worker", about: "Its tools are there at once, if it answers.",
			fails: []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied, keybearer.Conflict, keybearer.NotImplemented},
		}, createWorker),
		takes(route{
			method: http.MethodPost, path: "/v1/workers/test", id: "testWorker", tag: "workers", admin: true, summary: "Try whether there is a worker",
			fails: []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied, keybearer.NotImplemented},
		}, testWorker),
		gives(route{
			method: http.MethodGet, path: "/v1/workers/{id}", id: "getWorker", tag: "workers", admin: true, summary: "Show a worker", fails: one[:2],
		}, getWorker),
		takes(route{
			method: http.MethodPatch, path: "/v1/workers/{id}", id: "patchWorker", tag: "workers", admin: true, summary: "Change a worker",
			about: "Absent and null fields stay as they are, and so do empty secrets. Workers from the configuration file are changed there.",
			fails: []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied, keybearer.NotFound, keybearer.Conflict, keybearer.NotImplemented},
		}, patchWorker),
		gives(route{
			method: http.MethodDelete, path: "/v1/workers/{id}", id: "deleteWorker", tag: "workers", admin: true, summary: "Remove a worker",
			fails: []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied, keybearer.NotFound, keybearer.Conflict},
		}, deleteWorker),
		gives(route{
			method: http.MethodGet, path: "/v1/workers/{id}/health", id: "workerHealth", tag: "workers", admin: true, summary: "Ask a worker whether it is there", fails: one,
		}, workerHealth),
		gives(route{
			method: http.MethodGet, path: "/v1/workers/{id}/tools", id: "workerTools", tag: "workers", admin: true, summary: "List the tools of one worker",
			query: []param{
				{name: "limit", kind: "integer", about: "The largest number of items: 25, also when it is absent, and at most 100."},
				{name: "offset", kind: "integer", about: "How many items to pass over."},
			},
			fails: append(one, keybearer.BadRequest),
		}, workerTools),
		gives(route{
			method: http.MethodGet, path: "/v1/workers/{id}/authorize", id: "authorizeWorker", tag: "workers", admin: true,
			summary: "Not implemented: this engine does not authorize at MCP servers", fails: one,
		}, authorizeWorker),
	}
}

func listWorkers(c *call) (api.Page[api.Worker], error) {
	q, err := c.query()
	if err != nil {
		return api.Page[api.Worker]{}, err
	}
	limit, offset, err := pageOf(q)
	if err != nil {
		return api.Page[api.Worker]{}, err
	}
	all, err := c.view.Workers(c.ctx())
	from := min(offset, len(all))
	page := all[from:min(from+limit, len(all))]
	out := make([]api.Worker, len(page))
	for i := range page {
		out[i] = worker(&page[i])
	}
	return api.NewPage(out, limit, offset, len(all)), err
}

func getWorker(c *call) (api.Worker, error) {
	w, err := c.view.Worker(c.ctx(), c.workerID())
	return worker(&w), err
}

func createWorker(c *call, in api.WorkerCreate) (api.Worker, error) {
	draft, err := workerDraft(in)
	if err != nil {
		return api.Worker{}, err
	}
	w, err := c.view.CreateWorker(c.ctx(), draft)
	return worker(&w), err
}

func patchWorker(c *call, in api.WorkerPatch) (api.Worker, error) {
	w, err := c.view.UpdateWorker(c.ctx(), c.workerID(), func(d *keybearer.WorkerDraft) error { return editWorker(d, in) })
	return worker(&w), err
}

func deleteWorker(c *call) (nothing, error) {
	return nothing{}, c.view.DeleteWorker(c.ctx(), c.workerID())
}

func testWorker(c *call, in api.WorkerTest) (api.WorkerTestResult, error) {
	box, err := c.toolbox()
	if err != nil {
		return api.WorkerTestResult{}, err
	}
	draft, err := workerDraft(api.WorkerCreate{ID: "test", Type: in.Type, HTTP: in.HTTP, MCP: in.MCP})
	if err != nil {
		return api.WorkerTestResult{}, err
	}
	return box.Test(c.ctx(), c.view, draft)
}

func workerHealth(c *call) (api.WorkerHealth, error) {
	box, err := c.toolbox()
	if err != nil {
		return api.WorkerHealth{}, err
	}
	return box.Health(c.ctx(), c.view, c.workerID())
}

func workerTools(c *call) (api.Page[api.Tool], error) {
	box, err := c.toolbox()
	if err != nil {
		return api.Page[api.Tool]{}, err
	}
	q, err := c.query()
	if err != nil {
		return api.Page[api.Tool]{}, err
	}
	limit, offset, err := pageOf(q)
	if err != nil {
		return api.Page[api.Tool]{}, err
	}
	all, err := box.WorkerTools(c.ctx(), c.view, c.workerID())
	if err != nil {
		return api.Page[api.Tool]{}, err
	}
	from := min(offset, len(all))
	page := all[from:min(from+limit, len(all))]
	out := make([]api.Tool, len(page))
	for i, t := range page {
		if out[i], err = box.ToolFor(c.ctx(), c.view, t, ""); err != nil {
			return api.Page[api.Tool]{}, err
		}
	}
	return api.NewPage(out, limit, offset, len(all)), nil
}

func authorizeWorker(c *call) (nothing, error) {
	if _, err := c.view.Worker(c.ctx(), c.workerID()); err != nil {
		return nothing{}, err
	}
	return nothing{}, keybearer.Errorf(keybearer.NotImplemented, "this engine does not authorize at MCP servers: give it a header with a secret, or use an MCP server that needs none")
}

func (c *call) workerID() keybearer.WorkerID { return keybearer.WorkerID(c.req.PathValue("id")) }

// workerDraft reads a worker that is to be registered.
func workerDraft(in api.WorkerCreate) (keybearer.WorkerDraft, error) {
	draft := keybearer.WorkerDraft{ID: keybearer.WorkerID(in.ID), Type: keybearer.WorkerType(in.Type)}
	switch {
	case in.HTTP != nil && in.MCP != nil:
		return draft, keybearer.Errorf(keybearer.BadRequest, "give http or mcp, not both")
	case draft.Type == "" && in.MCP != nil:
		draft.Type = keybearer.WorkerMCP
	case draft.Type == "":
		draft.Type = keybearer.WorkerHTTP
	}
	return draft, editWorker(&draft, api.WorkerPatch{Enabled: in.Enabled, HTTP: in.HTTP, MCP: in.MCP})
}

// editWorker puts a change into a draft.
func editWorker(d *keybearer.WorkerDraft, in api.WorkerPatch) error {
	if in.Enabled != nil {
		d.Enabled = in.Enabled
	}
	switch {
	case in.HTTP != nil && d.Type != keybearer.WorkerHTTP, in.MCP != nil && d.Type != keybearer.WorkerMCP:
		return keybearer.Errorf(keybearer.BadRequest, "the worker is of the type %s: give what belongs to that", d.Type)
	case in.HTTP != nil:
		editAddress(d, in.HTTP.URI, in.HTTP.Timeout, in.HTTP.Retry)
		if in.HTTP.Secret != "" {
			d.Secret = secret.New(in.HTTP.Secret)
		}
	case in.MCP != nil:
		if in.MCP.OAuth2 != nil {
			return keybearer.Errorf(keybearer.BadRequest, "mcp.oauth2 is not implemented: this engine does not authorize at MCP servers. Give a header with a secret")
		}
		editAddress(d, in.MCP.URI, in.MCP.Timeout, in.MCP.Retry)
		if in.MCP.Secrets != nil {
			d.Secrets = make(map[string]secret.String, len(in.MCP.Secrets))
			for name, value := range in.MCP.Secrets {
				d.Secrets[name] = secret.New(value)
			}
		}
		if in.MCP.Headers != nil {
			hideCredentials(d, in.MCP.Headers)
		}
	}
	return nil
}

// hideCredentials takes headers over. A credential that somebody wrote into one in place of a secret's name becomes a secret: headers
// are stored as they are, and shown.
func hideCredentials(d *keybearer.WorkerDraft, headers map[string]string) {
	d.Headers = make(map[string]string, len(headers))
	for name, value := range headers {
		if carriesCredential(name) && value != "" && !strings.Contains(value, "${secret:") {
			id := "HEADER_" + strings.ToUpper(strings.Map(func(c rune) rune {
				if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
					return c
				}
				return '_'
			}, name))
			if d.Secrets == nil {
				d.Secrets = map[string]secret.String{}
			}
			d.Secrets[id], value = secret.New(value), "${secret:"+id+"}"
		}
		d.Headers[name] = value
	}
}

func carriesCredential(header string) bool {
	header = strings.ToLower(header)
	for _, part := range []string{"auth", "cookie", "key", "token", "secret", "password"} {
		if strings.Contains(header, part) {
			return true
		}
	}
	return false
}

func editAddress(d *keybearer.WorkerDraft, uri string, timeout, retry *int) {
	if uri != "" {
		d.URI = uri
	}
	if timeout != nil {
		d.Timeout = time.Duration(*timeout) * time.Second
		if *timeout <= 0 {
			d.Timeout = -1 // none, which is refused, where 0 would be the default
		}
	}
	if retry != nil {
		d.Retry = retry
	}
}

func worker(w *keybearer.Worker) api.Worker {
	binding, managed := "project", w.Origin == keybearer.FromFile
	if managed {
		binding = "static"
	}
	hidden := api.WorkerSecret{Exists: true, Editable: !managed, Binding: binding}
	out := api.Worker{
		ID: string(w.ID), Type: string(w.Type), Enabled: w.Enabled, Managed: managed,
		Binding: api.Binding{ID: string(w.Project), Type: binding}, Requirements: api.WorkerRequirements{Met: true},
	}
	seconds := int(w.Timeout / time.Second)
	if w.Type == keybearer.WorkerMCP {
		out.MCP = &api.WorkerMCP{URI: w.URI, Timeout: seconds, Retry: w.Retry, Headers: w.Headers, Secrets: map[string]api.WorkerSecret{}}
		if out.MCP.Headers == nil {
			out.MCP.Headers = map[string]string{}
		}
		for _, name := range w.SecretNames {
			out.MCP.Secrets[name] = hidden
		}
		return out
	}
	hidden.Exists = len(w.Secret) > 0
	out.HTTP = &api.WorkerHTTP{URI: w.URI, Timeout: seconds, Retry: w.Retry, Secret: hidden}
	return out
}

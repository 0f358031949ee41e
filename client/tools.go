package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

const (
	toolsPath       = "/v1/tools"
	workersPath     = "/v1/workers"
	toolSecretsPath = "/v1/admin/secrets"
	// toolPage is how many tools are asked for at once.
	toolPage = 100
)

// Tools lists all tools of all workers, or those of a toolkit, with what user has of their requirements; both may be "".
func (c *Client) Tools(ctx context.Context, toolkit string, user keybearer.UserID) ([]api.Tool, error) {
	var all []api.Tool
	for {
		q := url.Values{"limit": {strconv.Itoa(toolPage)}, "offset": {strconv.Itoa(len(all))}}
		if toolkit != "" {
			q.Set("toolkit", toolkit)
		}
		if user != "" {
			q.Set("user_id", string(user))
		}
		var page api.Page[api.Tool]
		if err := c.do(ctx, request{op: "listing tools", method: http.MethodGet, path: toolsPath, query: q, into: &page}); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if len(page.Items) == 0 || len(all) >= page.TotalCount {
			return all, nil
		}
	}
}

// Tool shows one by its name, with @version or without. Kind: NotFound.
func (c *Client) Tool(ctx context.Context, name string, user keybearer.UserID) (api.Tool, error) {
	q := url.Values{}
	if user != "" {
		q.Set("user_id", string(user))
	}
	var out api.Tool
	err := c.do(ctx, request{op: "reading tool " + name, method: http.MethodGet, path: toolsPath + "/" + segment(name), query: q, into: &out})
	return out, err
}

// AuthorizeTool asks for the authorization that a tool needs: completed, or pending with the URL that the user has to open.
func (c *Client) AuthorizeTool(ctx context.Context, name string, user keybearer.UserID, nextURI string) (keybearer.Authorization, error) {
	var out api.Authorization
	err := c.do(ctx, request{
		op: fmt.Sprintf("authorizing %s for %s", name, user), method: http.MethodPost, path: toolsPath + "/authorize", into: &out,
		body: api.ToolAuthorize{ToolName: name, UserID: string(user), NextURI: nextURI},
	})
	return authorization(&out), err
}

// ExecuteTool runs a tool for a user, now or at a time. It is sent once. A tool that fails is no error: it is in the Execution. A user
// who has not authorized what the tool needs is a *[keybearer.AuthorizationRequired]. It lasts as long as the tool: give ctx a deadline.
func (c *Client) ExecuteTool(ctx context.Context, name string, user keybearer.UserID, input map[string]json.RawMessage, at time.Time) (api.Execution, error) {
	body := api.Execute{ToolName: name, UserID: string(user), Input: input}
	if !at.IsZero() {
		body.RunAt = at.UTC().Format(time.RFC3339)
	}
	var out api.Execution
	err := c.do(ctx, request{
		op: fmt.Sprintf("running %s for %s", name, user), method: http.MethodPost, path: toolsPath + "/execute", body: body, into: &out,
		limit: keybearer.MaxWorkerTimeout + time.Minute,
	})
	return out, err
}

// Workers lists the servers that have tools.
func (c *Client) Workers(ctx context.Context) ([]api.Worker, error) {
	var all []api.Worker
	for {
		q := url.Values{"limit": {strconv.Itoa(toolPage)}, "offset": {strconv.Itoa(len(all))}}
		var page api.Page[api.Worker]
		if err := c.do(ctx, request{op: "listing workers", method: http.MethodGet, path: workersPath, query: q, into: &page}); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if len(page.Items) == 0 || len(all) >= page.TotalCount {
			return all, nil
		}
	}
}

// CreateWorker registers one. Kinds: BadRequest, Conflict.
func (c *Client) CreateWorker(ctx context.Context, w api.WorkerCreate) (api.Worker, error) {
	var out api.Worker
	err := c.do(ctx, request{op: "registering worker " + w.ID, method: http.MethodPost, path: workersPath, body: w, into: &out})
	return out, err
}

// UpdateWorker changes what the patch has. Kinds: BadRequest, NotFound, Conflict.
func (c *Client) UpdateWorker(ctx context.Context, id keybearer.WorkerID, p api.WorkerPatch) (api.Worker, error) {
	var out api.Worker
	err := c.do(ctx, request{op: fmt.Sprintf("changing worker %s", id), method: http.MethodPatch, path: workersPath + "/" + segment(string(id)), body: p, into: &out})
	return out, err
}

// DeleteWorker removes one. Kinds: NotFound, BadRequest (it is of the engine's file).
func (c *Client) DeleteWorker(ctx context.Context, id keybearer.WorkerID) error {
	return c.do(ctx, request{op: fmt.Sprintf("removing worker %s", id), method: http.MethodDelete, path: workersPath + "/" + segment(string(id))})
}

// WorkerHealth asks a worker whether it is there. Kind: NotFound.
func (c *Client) WorkerHealth(ctx context.Context, id keybearer.WorkerID) (api.WorkerHealth, error) {
	var out api.WorkerHealth
	err := c.do(ctx, request{op: fmt.Sprintf("asking worker %s", id), method: http.MethodGet, path: workersPath + "/" + segment(string(id)) + "/health", into: &out})
	return out, err
}

// ToolSecrets lists the secrets that tools use, without their values.
func (c *Client) ToolSecrets(ctx context.Context) ([]api.ToolSecret, error) {
	var out api.Page[api.ToolSecret]
	err := c.do(ctx, request{op: "listing secrets", method: http.MethodGet, path: toolSecretsPath, into: &out})
	return out.Items, err
}

// PutToolSecret makes or replaces one. Kind: BadRequest.
func (c *Client) PutToolSecret(ctx context.Context, key string, value secret.String, description string) (api.ToolSecret, error) {
	var out api.ToolSecret
	err := c.do(ctx, request{
		op: "storing secret " + key, method: http.MethodPost, path: toolSecretsPath + "/" + segment(key), into: &out,
		body: api.ToolSecretPut{Value: value.Reveal(), Description: description},
	})
	return out, err
}

// DeleteToolSecret removes one by its id. Kind: NotFound.
func (c *Client) DeleteToolSecret(ctx context.Context, id string) error {
	return c.do(ctx, request{op: "removing secret " + id, method: http.MethodDelete, path: toolSecretsPath + "/" + segment(id)})
}

// FormattedTools lists all tools in the form that a language model takes: "openai" or "anthropic".
func (c *Client) FormattedTools(ctx context.Context, format string) ([]json.RawMessage, error) {
	var all []json.RawMessage
	for {
		q := url.Values{"format": {format}, "limit": {strconv.Itoa(toolPage)}, "offset": {strconv.Itoa(len(all))}}
		var page api.Page[json.RawMessage]
		if err := c.do(ctx, request{op: "listing tools", method: http.MethodGet, path: "/v1/formatted_tools", query: q, into: &page}); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if len(page.Items) == 0 || len(all) >= page.TotalCount {
			return all, nil
		}
	}
}

package httpapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
)

// The formats of definitions that language models take.
const (
	formatArcade    = "arcade"
	formatOpenAI    = "openai"
	formatAnthropic = "anthropic"
)

// toolRoutes are about tools, for apps.
func toolRoutes() []route {
	selection := []param{
		{name: "limit", kind: "integer", about: "The largest number of items: 25, also when it is absent, and at most 100."},
		{name: "offset", kind: "integer", about: "How many items to pass over."},
		{name: "toolkit", kind: "string", about: "Only the tools of this toolkit, in any case."},
		{name: "user_id", kind: "string", about: "Say of each requirement whether this user meets it."},
		{name: "include_all_versions", kind: "boolean", about: "List every version; otherwise each tool is there once, in its latest one."},
		{name: "search", kind: "string", about: "Only tools that have these words in their name or description, in any case. (Ours.)"},
		{name: "filter", kind: "string", about: "JSON: service_domains and operations as a list or with any_of, all_of, none_of; read_only, destructive, idempotent, open_world; extras."},
	}
	include := param{name: "include_format", kind: "string", about: "Formats to add, with commas between: arcade, openai, anthropic."}
	user := param{name: "user_id", kind: "string", about: "Say of each requirement whether this user meets it."}
	format := param{name: "format", kind: "string", about: "openai, also when it is absent, or anthropic."}
	unasked := slices.DeleteFunc(slices.Clone(selection), func(p param) bool { return p.name == user.name })
	found := []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied, keybearer.NotFound, keybearer.NotImplemented}
	lent := []keybearer.Kind{
		keybearer.BadRequest, keybearer.PermissionDenied, keybearer.NotFound, keybearer.ProviderNotFound, keybearer.AmbiguousProvider, keybearer.ProviderInactive,
		keybearer.Conflict, keybearer.RateLimited, keybearer.ProviderRefused, keybearer.ProviderAway, keybearer.NotImplemented,
	}
	return []route{
		gives(route{
			method: http.MethodGet, path: "/v1/tools", id: "listTools", tag: "tools",
			summary: "List the tools of all workers", query: append(selection, include), fails: found,
		}, listTools),
		gives(route{
			method: http.MethodGet, path: "/v1/tools/{name}", id: "getTool", tag: "tools",
			summary: "Show a tool", about: "The name is Toolkit.Tool or Toolkit_Tool, in any case, with @version or without.",
			query: []param{include, user}, fails: found,
		}, getTool),
		takes(route{
			method: http.MethodPost, path: "/v1/tools/authorize", id: "authorizeTool", tag: "tools", once: true,
			summary: "Ask for the authorization that a tool needs", about: "Answers as /v1/auth/authorize. A tool that needs none is completed, without a token.", fails: lent,
		}, authorizeTool),
		takes(route{
			method: http.MethodPost, path: "/v1/tools/execute", id: "executeTool", tag: "tools", once: true, onceOnly: true,
			summary: "Run a tool for a user, now or at a time",
			about:   "A tool that fails is an answer 200 with success false. Where the user has not authorized what the tool needs, the answer is 403, its message begins with \"authorization required\", and authorization holds the link to open.",
			fails:   lent,
		}, executeTool),
		takes(route{
			method: http.MethodPost, path: "/v1/tools/requirements", id: "toolRequirements", tag: "tools",
			summary: "Tell what some tools need together", about: "With authorize, what is missing is begun, and the answer has the links.", fails: lent,
		}, toolRequirements),
		gives(route{
			method: http.MethodGet, path: "/v1/formatted_tools", id: "listFormattedTools", tag: "tools",
			summary: "List the tools in the form that a language model takes", query: append(unasked, format), fails: found,
		}, listFormattedTools),
		gives(route{
			method: http.MethodGet, path: "/v1/formatted_tools/{name}", id: "getFormattedTool", tag: "tools",
			summary: "Show a tool in the form that a language model takes", query: []param{format}, fails: found,
		}, getFormattedTool),
		gives(route{
			method: http.MethodGet, path: "/v1/scheduled_tools", id: "listScheduledTools", tag: "tools",
			summary: "List the tools that run at a time, or did", query: selection[:2], fails: found,
		}, listScheduledTools),
		gives(route{
			method: http.MethodGet, path: "/v1/scheduled_tools/{id}", id: "getScheduledTool", tag: "tools",
			summary: "Show one of them, with its attempts", fails: found,
		}, getScheduledTool),
	}
}

// toolbox is where the tools are, if there are any here.
func (c *call) toolbox() (*workers.Toolbox, error) {
	if c.Tools == nil {
		return nil, keybearer.Errorf(keybearer.NotImplemented, "this engine runs without tools")
	}
	return c.Tools, nil
}

// chosen are the tools that a request selects, and the page of them that it asks for.
func (c *call) chosen() (box *workers.Toolbox, page []*workers.Tool, limit, offset, total int, err error) {
	if box, err = c.toolbox(); err != nil {
		return
	}
	q, err := c.query()
	if err != nil {
		return
	}
	if limit, offset, err = pageOf(q); err != nil {
		return
	}
	all, err := boolean(q, "include_all_versions")
	if err != nil {
		return
	}
	tools, err := box.Tools(c.ctx(), c.view, workers.Filter{Toolkit: q.Get("toolkit"), AllVersions: all, Metadata: q.Get("filter"), Search: q.Get("search")})
	from := min(offset, len(tools))
	return box, tools[from:min(from+limit, len(tools))], limit, offset, len(tools), err
}

func listTools(c *call) (api.Page[api.Tool], error) {
	box, tools, limit, offset, total, err := c.chosen()
	if err != nil {
		return api.Page[api.Tool]{}, err
	}
	q := c.req.URL.Query()
	for format := range strings.SplitSeq(q.Get("include_format"), ",") {
		if format = strings.TrimSpace(format); !strings.EqualFold(format, formatArcade) {
			if err := knownFormat(format); err != nil { // also where the page is empty
				return api.Page[api.Tool]{}, err
			}
		}
	}
	out := make([]api.Tool, len(tools))
	for i, t := range tools {
		if out[i], err = c.shownTool(box, t, keybearer.UserID(q.Get("user_id")), q.Get("include_format")); err != nil {
			return api.Page[api.Tool]{}, err
		}
	}
	return api.NewPage(out, limit, offset, total), nil
}

func getTool(c *call) (api.Tool, error) {
	box, err := c.toolbox()
	if err != nil {
		return api.Tool{}, err
	}
	q, err := c.query()
	if err != nil {
		return api.Tool{}, err
	}
	t, err := box.Tool(c.ctx(), c.view, c.req.PathValue("name"), "")
	if err != nil {
		return api.Tool{}, err
	}
	return c.shownTool(box, t, keybearer.UserID(q.Get("user_id")), q.Get("include_format"))
}

// shownTool is a tool's definition with what a request wants to have with it.
func (c *call) shownTool(box *workers.Toolbox, t *workers.Tool, user keybearer.UserID, formats string) (api.Tool, error) {
	out, err := box.ToolFor(c.ctx(), c.view, t, user)
	if err != nil || formats == "" {
		return out, err
	}
	out.FormattedSchema = map[string]json.RawMessage{}
	for format := range strings.SplitSeq(formats, ",") {
		switch format = strings.ToLower(strings.TrimSpace(format)); format {
		case "", formatArcade: // the definition itself
		default:
			if out.FormattedSchema[format], err = formatted(t, format); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

func formatted(t *workers.Tool, format string) (json.RawMessage, error) {
	switch strings.ToLower(format) {
	case "", formatOpenAI:
		return t.OpenAI(), nil
	case formatAnthropic:
		return t.Anthropic(), nil
	}
	return nil, knownFormat(format)
}

// knownFormat refuses a format that language models do not take.
func knownFormat(format string) error {
	switch strings.ToLower(format) {
	case "", formatOpenAI, formatAnthropic:
		return nil
	}
	return keybearer.Errorf(keybearer.BadRequest, "the format %q is not known: use %s or %s", clip(format, 40), formatOpenAI, formatAnthropic)
}

func listFormattedTools(c *call) (api.Page[json.RawMessage], error) {
	_, tools, limit, offset, total, err := c.chosen()
	if err != nil {
		return api.Page[json.RawMessage]{}, err
	}
	if err := knownFormat(c.req.URL.Query().Get("format")); err != nil { // also where the page is empty
		return api.Page[json.RawMessage]{}, err
	}
	out := make([]json.RawMessage, len(tools))
	for i, t := range tools {
		if out[i], err = formatted(t, c.req.URL.Query().Get("format")); err != nil {
			return api.Page[json.RawMessage]{}, err
		}
	}
	return api.NewPage(out, limit, offset, total), nil
}

func getFormattedTool(c *call) (json.RawMessage, error) {
	box, err := c.toolbox()
	if err != nil {
		return nil, err
	}
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	t, err := box.Tool(c.ctx(), c.view, c.req.PathValue("name"), "")
	if err != nil {
		return nil, err
	}
	return formatted(t, q.Get("format"))
}

func authorizeTool(c *call, in api.ToolAuthorize) (api.Authorization, error) {
	box, err := c.toolbox()
	if err != nil {
		return api.Authorization{}, err
	}
	a, err := box.Authorize(c.ctx(), c.view, workers.Call{Tool: in.ToolName, Version: in.ToolVersion, User: keybearer.UserID(in.UserID), NextURI: in.NextURI})
	c.unrepeatable = a.Token != nil
	return authorization(a), err
}

func executeTool(c *call, in api.Execute) (api.Execution, error) {
	box, err := c.toolbox()
	if err != nil {
		return api.Execution{}, err
	}
	at, err := runAt(in.RunAt)
	if err != nil {
		return api.Execution{}, err
	}
	c.patient()
	return box.Execute(c.ctx(), c.view, workers.Call{
		Tool: in.ToolName, Version: in.ToolVersion, User: keybearer.UserID(in.UserID), Input: in.Input, At: at, Stacktrace: in.IncludeErrorStacktrace,
	})
}

// patient lets an answer take as long as a worker may.
func (c *call) patient() {
	until := time.Now().Add(keybearer.MaxWorkerTimeout + slack)
	deadlines := http.NewResponseController(c.w)
	_ = deadlines.SetReadDeadline(until) // not every server has them, as in tests
	_ = deadlines.SetWriteDeadline(until)
}

// runAt reads when a tool is to run. The published clients' form has no zone: it is UTC.
func runAt(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, keybearer.Errorf(keybearer.BadRequest, "run_at is a time like 2026-01-31T15:04:05, in UTC, or with a zone as of RFC 3339")
}

func toolRequirements(c *call, in api.ToolRequirementsRequest) (api.ToolRequirementsAnswer, error) {
	box, err := c.toolbox()
	if err != nil {
		return api.ToolRequirementsAnswer{}, err
	}
	tools := in.Tools
	for _, name := range in.ToolNames {
		tools = append(tools, api.ToolVersion{ToolName: name})
	}
	return box.Requirements(c.ctx(), c.view, tools, keybearer.UserID(in.UserID), in.Authorize)
}

func listScheduledTools(c *call) (api.Page[api.ScheduledTool], error) {
	box, err := c.toolbox()
	if err != nil {
		return api.Page[api.ScheduledTool]{}, err
	}
	q, err := c.query()
	if err != nil {
		return api.Page[api.ScheduledTool]{}, err
	}
	limit, offset, err := pageOf(q)
	if err != nil {
		return api.Page[api.ScheduledTool]{}, err
	}
	page, total, err := box.Scheduled(c.ctx(), c.view, limit, offset)
	return api.NewPage(page, limit, offset, total), err
}

func getScheduledTool(c *call) (api.ScheduledToolDetail, error) {
	box, err := c.toolbox()
	if err != nil {
		return api.ScheduledToolDetail{}, err
	}
	return box.ScheduledRun(c.ctx(), c.view, c.req.PathValue("id"))
}

package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/workers"
)

// pageSize is how many tools a page has. Clients that stop after the first one see most houses whole.
const pageSize = 500

// noDeadline takes a time limit away.
var noDeadline time.Time

// list fills in one page of the person's tools.
func (s *server) list(ctx context.Context, req mcp.Request, result mcp.Result) (mcp.Result, error) {
	page, ok := result.(*mcp.ListToolsResult)
	if !ok {
		return nil, errors.New("the list of tools has another form than it should")
	}
	tools, err := s.toolsOf(ctx, req)
	if err != nil {
		return nil, s.outside(err)
	}
	from, err := start(req, tools)
	if err != nil {
		return nil, err
	}
	end := min(from+pageSize, len(tools))
	page.Tools = s.shown.all(tools[from:end])
	page.NextCursor = ""
	if end < len(tools) {
		page.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(nameOf(tools[end-1])))
	}
	return page, nil
}

// start finds where a page begins: behind the tool that the cursor names, though that may be gone.
func start(req mcp.Request, tools []*workers.Tool) (int, error) {
	params, ok := req.GetParams().(*mcp.ListToolsParams)
	if !ok || params == nil || params.Cursor == "" {
		return 0, nil
	}
	name, err := base64.RawURLEncoding.DecodeString(params.Cursor)
	if err != nil {
		return 0, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the cursor is none that this server gave"}
	}
	at, found := slices.BinarySearchFunc(tools, string(name), func(t *workers.Tool, name string) int { return strings.Compare(nameOf(t), name) })
	if found {
		at++
	}
	return at, nil
}

// toolsOf lists what the person who sent a request may use here, by name.
func (s *server) toolsOf(ctx context.Context, req mcp.Request) ([]*workers.Tool, error) {
	p, err := personOf(req.GetExtra().TokenInfo)
	if err != nil {
		return nil, err
	}
	all, err := s.door.cfg.Toolbox.Tools(ctx, p.view, workers.Filter{})
	if err != nil {
		return nil, err
	}
	tools := make([]*workers.Tool, 0, len(all))
	for _, t := range all {
		if s.gateway.offers(t) {
			tools = append(tools, t)
		}
	}
	slices.SortFunc(tools, func(a, b *workers.Tool) int { return strings.Compare(nameOf(a), nameOf(b)) })
	return slices.CompactFunc(tools, func(a, b *workers.Tool) bool { return nameOf(a) == nameOf(b) }), nil
}

// nameOf is a tool's name here. Some clients take no dots.
func nameOf(t *workers.Tool) string { return strings.ReplaceAll(t.Definition.QualifiedName, ".", "_") }

// isNamed reports whether name is a tool's name here, without making that for thousands of them.
func isNamed(t *workers.Tool, name string) bool {
	q := t.Definition.QualifiedName
	if len(q) != len(name) {
		return false
	}
	for i := range len(q) {
		if q[i] != name[i] && (q[i] != '.' || name[i] != '_') {
			return false
		}
	}
	return true
}

// shown keeps tools in the SDK's form, which is made once for each.
type shown struct {
	mu    sync.Mutex
	tools map[*workers.Tool]*mcp.Tool
}

// maxShown bounds what is kept: lists are made anew when workers change them.
const maxShown = 20_000

func (s *shown) all(tools []*workers.Tool) []*mcp.Tool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tools == nil || len(s.tools) > maxShown {
		s.tools = map[*workers.Tool]*mcp.Tool{}
	}
	all := make([]*mcp.Tool, 0, len(tools))
	for _, t := range tools {
		m, ok := s.tools[t]
		if !ok {
			m = asMCP(t)
			s.tools[t] = m
		}
		all = append(all, m)
	}
	return all
}

// asMCP puts a tool into the SDK's form.
func asMCP(t *workers.Tool) *mcp.Tool {
	d := &t.Definition
	m := &mcp.Tool{Name: nameOf(t), Description: d.Description, InputSchema: t.InputSchema}
	if d.DeprecationMessage != "" {
		m.Description = "Deprecated: " + d.DeprecationMessage + "\n\n" + m.Description
	}
	// A schema that is not of an object is for values that structured content cannot be in older protocols, and
	// published clients refuse the whole list for the sake of one.
	if describesObject(t.OutputSchema) {
		m.OutputSchema = t.OutputSchema
	}
	if d.Metadata != nil && d.Metadata.Behavior != nil {
		b := d.Metadata.Behavior
		m.Annotations = &mcp.ToolAnnotations{DestructiveHint: b.Destructive, OpenWorldHint: b.OpenWorld}
		m.Annotations.ReadOnlyHint = b.ReadOnly != nil && *b.ReadOnly
		m.Annotations.IdempotentHint = b.Idempotent != nil && *b.Idempotent
	}
	if extra := requirementsOf(t); len(extra) > 0 {
		m.Meta = mcp.Meta{"keybearer/requirements": extra}
	}
	return m
}

// describesObject reports whether all values of a schema are objects, by what it says itself.
func describesObject(schema json.RawMessage) bool {
	var s struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(schema, &s) == nil && s.Type == "object"
}

// requirementsOf tells a client that wants to know what a tool needs.
func requirementsOf(t *workers.Tool) map[string]any {
	r := t.Definition.Requirements
	needs := map[string]any{}
	if r != nil && r.Authorization != nil {
		a := map[string]any{}
		if r.Authorization.ID != "" {
			a["id"] = r.Authorization.ID
		}
		if r.Authorization.ProviderID != "" {
			a["provider_id"] = r.Authorization.ProviderID
		}
		if o := r.Authorization.OAuth2; o != nil && len(o.Scopes) > 0 {
			a["scopes"] = o.Scopes
		}
		needs["authorization"] = a
	}
	return needs
}

// outside is an error as a client may hear it.
func (s *server) outside(err error) error {
	if keybearer.KindOf(err) == keybearer.Internal {
		s.door.log.Error("an MCP request could not be answered", "error", err)
		return &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the engine has a problem of its own, which its log tells"}
	}
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: fmt.Sprint(err)}
}

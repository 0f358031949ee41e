package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/client"
)

const (
	// toolUserVariable is the variable's name in programs of tools, which MCP clients are configured with.
	toolUserVariable = "KEYBEARER_USER_ID"
	// mcpLookEvery is how often the list of tools is looked at, and mcpPatience how long a call waits for a consent.
	mcpLookEvery = 30 * time.Second
	mcpPatience  = 5 * time.Minute
	mcpConsent   = "authorization"
)

func mcpCommand(w world) *cobra.Command {
	var engine engineFlags
	var user string
	c := &cobra.Command{
		Use: "mcp", Short: "Serve an engine's tools to one MCP client over standard input and output, for one user", Args: noArgs,
		Long: "Serve all tools of a running engine to one MCP client over standard input and output, for one user: --user, " + userVariable + " or " + toolUserVariable +
			". The engine is asked with the key in " + keyVariable + ". A missing authorization is a link that the client shows.",
		RunE: func(c *cobra.Command, _ []string) error {
			if user == "" {
				user = w.getenv(userVariable)
			}
			if user == "" {
				user = w.getenv(toolUserVariable)
			}
			if user == "" {
				return usageError{errors.New("say for whom the tools run, with --user, " + userVariable + " or " + toolUserVariable)}
			}
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			in, ok := w.in.(io.ReadCloser)
			if !ok {
				in = io.NopCloser(w.in)
			}
			return serveEngineTools(c.Context(), remote, keybearer.UserID(user), &mcp.IOTransport{Reader: in, Writer: unclosed{w.out}})
		},
	}
	engine.add(c)
	c.Flags().StringVar(&user, "user", "", "the user that the tools run for")
	return c
}

type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// engineTools are an engine's tools, for one user.
type engineTools struct {
	remote *client.Client
	user   keybearer.UserID
	server *mcp.Server
	shown  map[string]*mcp.Tool
}

// serveEngineTools serves until the client has gone or ctx ends.
func serveEngineTools(ctx context.Context, remote *client.Client, user keybearer.UserID, over mcp.Transport) error {
	e := &engineTools{remote: remote, user: user, shown: map[string]*mcp.Tool{}, server: mcp.NewServer(&mcp.Implementation{Name: "keybearer", Title: "Keybearer", Version: version}, &mcp.ServerOptions{
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{ListChanged: true}},
	})}
	if err := e.look(ctx); err != nil {
		return err
	}
	looking, stop := context.WithCancel(ctx)
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		e.keepLooking(looking)
	}()
	err := e.server.Run(ctx, over)
	stop()
	<-looked
	if ctx.Err() != nil || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (e *engineTools) keepLooking(ctx context.Context) {
	tick := time.NewTicker(mcpLookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = e.look(ctx) // what was there stays; calls say what is wrong
		}
	}
}

// look brings the server's tools to those of the engine. The SDK tells the client what has changed.
func (e *engineTools) look(ctx context.Context) error {
	all, err := e.remote.FormattedTools(ctx, "anthropic")
	if err != nil {
		return err
	}
	now := make(map[string]*mcp.Tool, len(all))
	for _, text := range all {
		var t struct {
			Name, Description string
			InputSchema       json.RawMessage `json:"input_schema"`
		}
		if err := json.Unmarshal(text, &t); err != nil {
			return fmt.Errorf("reading the engine's tools: %w", err)
		}
		now[t.Name] = &mcp.Tool{Name: t.Name, Description: t.Description, InputSchema: t.InputSchema}
	}
	for name, t := range now {
		if !reflect.DeepEqual(e.shown[name], t) {
			e.server.AddTool(t, e.call)
		}
	}
	for name := range e.shown {
		if now[name] == nil {
			e.server.RemoveTools(name)
		}
	}
	e.shown = now
	return nil
}

// call runs a tool. What is missing is asked for before anything runs, so that the SDK may come again with the answer.
func (e *engineTools) call(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	answer, asked := req.Params.InputResponses[mcpConsent].(*mcp.ElicitResult)
	if asked && answer.Action == "accept" {
		waiting, cancel := context.WithTimeout(ctx, mcpPatience)
		_, err := e.remote.Wait(waiting, keybearer.AuthorizationID(req.Params.RequestState))
		cancel()
		if err != nil && waiting.Err() == nil {
			return mcpFailure(err.Error()), nil
		}
	}
	var input map[string]json.RawMessage
	if len(req.Params.Arguments) > 0 {
		if err := json.Unmarshal(req.Params.Arguments, &input); err != nil {
			return mcpFailure("the arguments must be a JSON object"), nil
		}
	}
	done, err := e.remote.ExecuteTool(ctx, req.Params.Name, e.user, input, time.Time{})
	missing, ok := errors.AsType[*keybearer.AuthorizationRequired](err)
	switch {
	case ok && !asked && mcpOpensLinks(req):
		a := &missing.Authorization
		return &mcp.CallToolResult{RequestState: string(a.ID), InputRequests: mcp.InputRequestMap{mcpConsent: &mcp.ElicitParams{
			Mode: "url", URL: a.URL, ElicitationID: string(a.ID), Message: req.Params.Name + " needs your authorization at " + string(a.Provider) + ". The call goes on when you have given it.",
		}}}, nil
	case ok:
		return mcpFailure(missing.Error()), nil
	case err != nil:
		return mcpFailure(err.Error()), nil
	}
	return mcpResult(&done), nil
}

func mcpOpensLinks(req *mcp.CallToolRequest) bool {
	p := req.Session.InitializeParams()
	return p != nil && p.Capabilities != nil && p.Capabilities.Elicitation != nil && p.Capabilities.Elicitation.URL != nil
}

func mcpResult(done *api.Execution) *mcp.CallToolResult {
	out := done.Output
	switch {
	case out == nil:
		return &mcp.CallToolResult{Content: []mcp.Content{}}
	case out.Error != nil && out.Error.AdditionalPromptContent != "":
		return mcpFailure(out.Error.Message + "\n\n" + out.Error.AdditionalPromptContent)
	case out.Error != nil:
		return mcpFailure(out.Error.Message)
	case out.Authorization != nil && out.Authorization.URL != "":
		return mcpFailure("authorization required: open " + out.Authorization.URL + " and call the tool again")
	}
	text := string(out.Value)
	var plain string
	if json.Unmarshal(out.Value, &plain) == nil {
		text = plain
	}
	r := &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
	if len(out.Value) > 0 && out.Value[0] == '{' {
		r.StructuredContent = out.Value
	}
	return r
}

func mcpFailure(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

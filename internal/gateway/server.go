package gateway

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	methodListTools = "tools/list"
	methodCallTool  = "tools/call"
	// dispatcher is the one tool that the SDK knows of. Everybody has a list of tools of his own, so lists and names
	// are ours (see [server.receive]); the SDK's part is everything around a call.
	dispatcher = "keybearer_dispatch"
)

// server is one gateway.
type server struct {
	door    *Door
	path    string
	gateway Gateway
	mcp     *mcp.Server
	shown   shown
}

func newServer(d *Door, path string, g Gateway) *server {
	s := &server{door: d, path: path, gateway: g}
	s.mcp = mcp.NewServer(d.implementation(), &mcp.ServerOptions{
		Instructions: "Tools that act for you at other services. One that you have not authorized yet gives a link to open first.",
		Logger:       d.log,
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{ListChanged: true}},
	})
	s.changed()
	s.mcp.AddReceivingMiddleware(s.receive)
	return s
}

// changed has the SDK tell all sessions that the list of tools has changed: it does that when its own list does.
func (s *server) changed() {
	s.mcp.AddTool(&mcp.Tool{Name: dispatcher, InputSchema: json.RawMessage(`{"type":"object"}`)}, s.call)
}

// handler is the gateway at its path.
func (s *server) handler() http.Handler {
	streamable := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.mcp }, &mcp.StreamableHTTPOptions{
		Logger: s.door.log, SessionTimeout: s.door.cfg.IdleSession, MaxRequestBodyBytes: s.door.cfg.MaxBody,
		PropagateRequestCancellation: true,
		// The engine may stand behind a proxy on its own machine. What that protection is for needs a credential
		// that a browser sends by itself, and there is none: who calls sends a header.
		DisableLocalhostProtection: true,
	})
	guarded := http.NewCrossOriginProtection().Handler(streamable)
	return unhurried(s.known(s.parting(guarded)))
}

// unhurried takes the server's time limits off: a call may wait for a person, and a stream for news.
func unhurried(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(noDeadline) // where there is none to set, none is needed
		next.ServeHTTP(w, req)
	})
}

// wanted is the name of the tool that a request is about, on its way through the SDK.
type wanted struct{}

// receive answers lists, and sends each call to the dispatcher.
func (s *server) receive(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		switch method {
		case methodListTools:
			result, err := next(ctx, method, unpaged(req))
			if err != nil {
				return nil, err
			}
			return s.list(ctx, req, result)
		case methodCallTool:
			if call, ok := req.(*mcp.CallToolRequest); ok && call.Params != nil {
				params := *call.Params
				ctx = context.WithValue(ctx, wanted{}, params.Name)
				params.Name = dispatcher
				dispatched := *call
				dispatched.Params = &params
				return next(ctx, method, &dispatched)
			}
		}
		return next(ctx, method, req)
	}
}

// unpaged asks for the SDK's own list from its beginning: our cursors are not its.
func unpaged(req mcp.Request) mcp.Request {
	list, ok := req.(*mcp.ListToolsRequest)
	if !ok || list.Params == nil {
		return req
	}
	params := *list.Params
	params.Cursor = ""
	whole := *list
	whole.Params = &params
	return &whole
}

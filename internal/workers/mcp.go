package workers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// stopWait is how long a command has to end by itself.
const stopWait = 2 * time.Second

// mcpEndpoint is an MCP server. It keeps one session, and makes another where that has ended. No user's token goes
// there: MCP has no place for one.
type mcpEndpoint struct {
	worker    keybearer.Worker
	toolkit   string
	version   string
	maxAnswer int64
	client    *http.Client // with the headers; nil for a command
	changed   func()
	life      context.Context

	mu       sync.Mutex
	session  *mcp.ClientSession
	shut     bool
	watching sync.WaitGroup
	progress sync.Map // token -> progressFunc
	tokens   atomic.Int64
}

func (t *Toolbox) mcpEndpoint(w *keybearer.Worker, s keybearer.WorkerSecrets, changed func()) *mcpEndpoint {
	e := &mcpEndpoint{worker: *w, toolkit: pascal(string(w.ID)), version: t.cfg.Version, maxAnswer: t.cfg.MaxAnswer, changed: changed, life: t.life}
	if len(w.Command) > 0 {
		return e
	}
	e.client = t.client(w.Origin)
	e.client.Transport = &headed{next: e.client.Transport, headers: w.Headers, secrets: s, limit: t.cfg.MaxAnswer + maxList}
	return e
}

// connected gives the session, or makes one.
func (e *mcpEndpoint) connected(ctx context.Context) (*mcp.ClientSession, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shut {
		return nil, errors.New("the engine is about to stop")
	}
	if e.session != nil {
		return e.session, nil
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "keybearer", Version: e.version}, &mcp.ClientOptions{
		Capabilities:                &mcp.ClientCapabilities{},
		ToolListChangedHandler:      func(context.Context, *mcp.ToolListChangedRequest) { e.changed() },
		ProgressNotificationHandler: e.heard,
	})
	// The session lives on when this call is over.
	session, err := e.connect(ctx, client)
	if err != nil {
		return nil, err
	}
	e.session = session
	e.watching.Go(func() { // close ends the session, and waits
		_ = session.Wait()
		e.drop(session)
	})
	return session, nil
}

func (e *mcpEndpoint) connect(ctx context.Context, client *mcp.Client) (*mcp.ClientSession, error) {
	if len(e.worker.Command) > 0 {
		return client.Connect(ctx, &mcp.CommandTransport{Command: e.command(), TerminateDuration: stopWait}, nil)
	}
	return client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: e.worker.URI, HTTPClient: e.client, MaxRetries: 1, MaxEventSize: int(e.maxAnswer)}, nil)
}

// command has an environment of its own: the engine's has keys in it.
func (e *mcpEndpoint) command() *exec.Cmd {
	cmd := exec.CommandContext(e.life, e.worker.Command[0], e.worker.Command[1:]...)
	cmd.Env = []string{}
	for _, name := range []string{"PATH", "HOME", "USER", "LANG", "TMPDIR", "SYSTEMROOT", "TEMP", "TMP", "APPDATA", "LOCALAPPDATA", "USERPROFILE"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	for name, value := range e.worker.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.WaitDelay = stopWait
	return cmd
}

// discard gives up a session that did not do what it should. Calls that others make on it may end.
func (e *mcpEndpoint) discard(session *mcp.ClientSession) {
	e.drop(session)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.shut { // else close does that
		e.watching.Go(func() { _ = session.Close() }) // it is over, whatever the server says
	}
}

// drop forgets a session that has ended.
func (e *mcpEndpoint) drop(session *mcp.ClientSession) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session == session {
		e.session = nil
	}
}

func (e *mcpEndpoint) close() {
	e.mu.Lock()
	session := e.session
	e.session, e.shut = nil, true
	e.mu.Unlock()
	if session != nil {
		_ = session.Close() // it is over, whatever the server says
	}
	e.watching.Wait()
	if e.client != nil {
		e.client.CloseIdleConnections()
	}
}

func (e *mcpEndpoint) health(ctx context.Context) (api.WorkerServerInfo, error) {
	session, err := e.connected(ctx)
	if err != nil {
		return api.WorkerServerInfo{}, e.away(err)
	}
	info := api.WorkerServerInfo{Name: string(e.worker.ID)}
	if about := session.InitializeResult(); about != nil && about.ServerInfo != nil {
		info.Name, info.Version, info.Description = cleaned(about.ServerInfo.Name), cleaned(about.ServerInfo.Version), cleaned(about.ServerInfo.Title)
	}
	return info, nil
}

func (e *mcpEndpoint) away(err error) *trouble {
	return &trouble{
		kind: api.ToolNetworkUnreachable, message: fmt.Sprintf("MCP server %s cannot be reached: see that it runs, and that its address and headers are right", e.worker.ID),
		detail: cleaned(err.Error()), unsent: true, cause: err,
	}
}

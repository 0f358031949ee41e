package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
	"github.com/keybearer/keybearer/tool"
)

// The parts that this program plays in the measuring of tools, in processes of their own.
const (
	toolWorker = "tool-worker" // a worker
	toolMany   = "tool-many"   // a worker with many tools
	toolBare   = "tool-bare"   // the SDK's server, with a tool that answers by itself
	toolHop    = "tool-hop"    // the SDK's server, with a tool that asks the worker

	toolSecret   = "shared-for-measuring-only"
	toolAddress  = "KEYBEARER_BENCH_TOOLS"
	toolUpstream = "KEYBEARER_BENCH_WORKER"
	manyTools    = 5000
)

type greeting struct {
	Name string `json:"name"`
}

type greeted struct {
	Text string `json:"text"`
	Sum  int    `json:"sum"`
}

func greet(_ context.Context, c *tool.Call, in greeting) (greeted, error) {
	return greeted{Text: "Hello, " + in.Name, Sum: len(c.Token().Reveal())}, nil
}

// serveTools plays one of the parts.
func serveTools(ctx context.Context, role string) error {
	kit := &tool.Kit{Name: "Bench", Version: "1.0.0"}
	var handler http.Handler
	switch role {
	case toolMany:
		for n := range manyTools {
			kit.Tools = append(kit.Tools, tool.New(fmt.Sprintf("Tool%04d", n), "One of many tools, with a description of the usual length for a model to read.", greet, tool.ReadOnly()))
		}
		handler = tool.WorkerHandler(kit, secret.New(toolSecret))
	case toolWorker:
		kit.Tools = []*tool.Tool{tool.New("Greet", "Greets.", greet, tool.Requires(tool.Provider(providerID, "read")))}
		handler = tool.WorkerHandler(kit, secret.New(toolSecret))
	default:
		s := mcp.NewServer(&mcp.Implementation{Name: "bare"}, nil)
		worker := os.Getenv(toolUpstream)
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
		mcp.AddTool(s, &mcp.Tool{Name: "Bench_Greet", Description: "Greets."}, func(ctx context.Context, _ *mcp.CallToolRequest, in greeting) (*mcp.CallToolResult, greeted, error) {
			if role == toolBare {
				return nil, greeted{Text: "Hello, " + in.Name}, nil
			}
			var out struct{ Output struct{ Value greeted } }
			req, err := invocation(ctx, worker)
			if err != nil {
				return nil, greeted{}, err
			}
			res, err := client.Do(req)
			if err != nil {
				return nil, greeted{}, err
			}
			defer res.Body.Close()
			return nil, out.Output.Value, json.NewDecoder(res.Body).Decode(&out)
		})
		handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("/healthy", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Addr: os.Getenv(toolAddress), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return serveUntilTold(ctx, server)
}

// startTools starts this program again in one of the parts.
func startTools(ctx context.Context, role, dir, worker string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	cmd := exec.CommandContext(ctx, self, "-role", role)
	cmd.Env = append(os.Environ(), toolAddress+"="+address, toolUpstream+"="+worker)
	return begin(ctx, role, dir, "http://"+address, "/healthy", cmd)
}

// invocation is a direct call of the worker, as the engine makes it.
func invocation(ctx context.Context, worker string) (*http.Request, error) {
	body, err := json.Marshal(api.Invocation{
		RunID: "r", ExecutionID: "e", CreatedAt: "2026-11-28T12:00:00", Tool: api.InvocationTool{Name: "Greet", Toolkit: "Bench"},
		Inputs: map[string]json.RawMessage{"name": json.RawMessage(`"Alice"`)}, Context: api.InvocationContext{UserID: "alice"},
	})
	if err != nil {
		return nil, err
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"aud": api.WorkerAudience, "ver": api.WorkerVersion, "exp": time.Now().Add(time.Minute).Unix()}).SignedString([]byte(toolSecret))
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, worker+api.WorkerInvokePath, bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// mcpSession opens a session at an MCP server by hand, and gives what its requests carry.
func mcpSession(ctx context.Context, url string, header http.Header) (http.Header, error) {
	h := header.Clone()
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json, text/event-stream")
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
		if err != nil {
			return nil, err
		}
		req.Header = h.Clone()
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		said, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode >= 300 {
			return nil, fmt.Errorf("opening a session: %s: %s", res.Status, said)
		}
		if id := res.Header.Get("Mcp-Session-Id"); id != "" {
			h.Set("Mcp-Session-Id", id)
			h.Set("Mcp-Protocol-Version", "2025-11-25")
		}
	}
	return h, nil
}

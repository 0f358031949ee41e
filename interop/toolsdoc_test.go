package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestAuthorGetsFromNothingToAToolInAClient does what docs/tools.md says: builds its program, gives it to an MCP client
// over stdio, opens the link that the client shows, and then has an engine call it as a worker.
func TestAuthorGetsFromNothingToAToolInAClient(t *testing.T) {
	t.Parallel()
	enginePort, sandboxPort := freePort(t), freePort(t)
	dev := run(t, "keybearer dev", command{
		path: os.Getenv(binaryVariable), dir: t.TempDir(), args: []string{"dev", "--port", fmt.Sprint(enginePort), "--sandbox-port", fmt.Sprint(sandboxPort)},
	})
	program := buildToolOfTheDocument(t, sandboxPort)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var key string
	for number := 0; key == ""; number++ {
		line, ok := dev.stdout.wait(ctx, number)
		if !ok {
			t.Fatalf("there is no key in:\n%s\n%s", dev.stdout.tail(40), dev.stderr.tail(40))
		}
		key = regexp.MustCompile(`arc_[A-Z0-9]+`).FindString(line)
	}
	engineURL := fmt.Sprintf("http://localhost:%d", enginePort)

	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "KEYBEARER_ENGINE_URL="+engineURL, "KEYBEARER_API_KEY="+key, "KEYBEARER_USER_ID=you@example.com")
	links := 0
	session, err := mcp.NewClient(&mcp.Implementation{Name: "any client"}, &mcp.ClientOptions{
		Capabilities: &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}},
		ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			links++
			newPerson(t, "alice").consents(t, req.Params.URL)
			return &mcp.ElicitResult{Action: "accept"}, nil
		},
	}).Connect(ctx, &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatalf("starting the tool as a client does: %v", err)
	}
	for range 2 {
		r, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "WhoAmI"})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := r.StructuredContent.(map[string]any); r.IsError || got["email"] != "alice@example.com" || !strings.HasPrefix(fmt.Sprint(got["text"]), "Hello, ") {
			text, _ := json.Marshal(r.Content)
			t.Fatalf("the tool gave %v, %s", r.StructuredContent, text)
		}
	}
	if err := session.Close(); err != nil {
		t.Errorf("the tool did not end well: %v", err)
	}
	if links != 1 {
		t.Errorf("the link was shown %d times, want once", links)
	}

	port := freePort(t)
	worker := run(t, "the worker", command{
		path: program, dir: t.TempDir(), args: []string{"worker", "--listen", fmt.Sprintf("127.0.0.1:%d", port)},
		env: []string{"KEYBEARER_WORKER_SECRET=pick-a-long-one"},
	})
	address := fmt.Sprintf("http://127.0.0.1:%d", port)
	waitReady(t, worker, address+"/worker/health", func(r *http.Response) bool { return r.StatusCode == http.StatusOK })
	post := func(path, body string, want int) string {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, engineURL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != want {
			t.Fatalf("%s: got %d %s %v, want %d", path, res.StatusCode, text, err, want)
		}
		return string(text)
	}
	post("/v1/workers", `{"id": "greeter", "type": "http", "http": {"uri": "`+address+`", "secret": "pick-a-long-one", "timeout": 30, "retry": 3}}`, http.StatusCreated)
	done := post("/v1/tools/execute", `{"tool_name": "Greeter.WhoAmI", "user_id": "you@example.com", "input": {"greeting": "Good evening"}}`, http.StatusOK)
	if !strings.Contains(done, `"success":true`) || !strings.Contains(done, "Good evening, ") {
		t.Errorf("the engine's call gave %s", done)
	}

	// And once more, by the engine's own program for clients that only start programs.
	all := exec.CommandContext(ctx, os.Getenv(binaryVariable), "mcp")
	all.Env = append(os.Environ(), "KEYBEARER_URL="+engineURL, "KEYBEARER_API_KEY="+key, "KEYBEARER_USER_ID=bob@example.com")
	session, err = mcp.NewClient(&mcp.Implementation{Name: "any client"}, &mcp.ClientOptions{
		Capabilities: &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}},
		ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			links++
			newPerson(t, "bob").consents(t, req.Params.URL)
			return &mcp.ElicitResult{Action: "accept"}, nil
		},
	}).Connect(ctx, &mcp.CommandTransport{Command: all}, nil)
	if err != nil {
		t.Fatalf("starting keybearer mcp: %v", err)
	}
	r, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "Greeter_WhoAmI", Arguments: map[string]any{"greeting": "Hi"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := r.StructuredContent.(map[string]any); r.IsError || got["email"] != "bob@example.com" || links != 2 {
		t.Errorf("the tool gave %v for bob, after %d links", r.StructuredContent, links)
	}
	if err := session.Close(); err != nil {
		t.Errorf("keybearer mcp did not end well: %v", err)
	}
}

// buildToolOfTheDocument builds the program of docs/tools.md, with the sandbox where it is here.
func buildToolOfTheDocument(t *testing.T, sandboxPort int) string {
	t.Helper()
	text, err := os.ReadFile("../docs/tools.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, found := strings.Cut(string(text), "```go\n")
	program, _, ended := strings.Cut(program, "```")
	const there = "http://127.0.0.1:9199"
	if !found || !ended || !strings.Contains(program, there) {
		t.Fatal("docs/tools.md has no program, or it is not for the sandbox any more")
	}
	dir := t.TempDir()
	source, overlay, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mytools")
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	placed, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "docs", "mytools", "main.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		source: []byte(strings.ReplaceAll(program, there, fmt.Sprintf("http://127.0.0.1:%d", sandboxPort))), overlay: placed,
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", binary, "./docs/mytools")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the program of docs/tools.md: %v\n%s", err, out)
	}
	return binary
}

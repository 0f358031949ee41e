package interop_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mcpClient is a published client of the protocol, with the engine's gateway as its server.
type mcpClient struct {
	name             string
	listTools, call  string // the client's words for them
	argumentsAsFirst bool   // callTool({name, arguments}) in place of call_tool(name, arguments)
	start            func(t *testing.T, h *toolHouse, user string, args ...string) *driverRun
	protocol         string // what it agrees on with the gateway
}

func mcpClients() []mcpClient {
	python := func(mode string) func(*testing.T, *toolHouse, string, ...string) *driverRun {
		return func(t *testing.T, h *toolHouse, user string, args ...string) *driverRun {
			t.Helper()
			return &driverRun{process: run(t, "mcp client "+mode, command{
				path: toolsPython(t), dir: "python-tools", env: h.actsFor(user),
				args: append([]string{"mcpclient.py", h.URL + "/mcp", mode}, args...),
			})}
		}
	}
	node := func(t *testing.T, h *toolHouse, user string, args ...string) *driverRun {
		t.Helper()
		return nodeDriver(t, h.actsFor(user), append([]string{"mcpclient.mjs", h.URL + "/mcp"}, args...)...)
	}
	return []mcpClient{
		{name: "python", listTools: "list_tools", call: "call_tool", start: python("auto"), protocol: "2025-11-25"},
		{name: "python as before", listTools: "list_tools", call: "call_tool", start: python("legacy"), protocol: "2025-11-25"},
		{name: "typescript", listTools: "listTools", call: "callTool", argumentsAsFirst: true, start: node, protocol: "2025-11-25"},
	}
}

func (h *toolHouse) actsFor(user string) []string {
	return []string{"ARCADE_API_KEY=" + h.Key, "ARCADE_USER_ID=" + user}
}

// mcpResult is what a tool said.
type mcpResult struct {
	Content           []struct{ Text string }
	StructuredContent anything       `json:"structuredContent"`
	IsError           bool           `json:"isError"`
	Meta              map[string]any `json:"_meta"`
	Open              string         // the link that a client shows in the middle of a call
}

func (r mcpResult) said() string {
	var said strings.Builder
	for _, c := range r.Content {
		said.WriteString(c.Text)
	}
	return said.String()
}

// mcpClientsWork: each lists and calls the tools by the key and the user's name.
func mcpClientsWork(t *testing.T, h *toolHouse) {
	for _, c := range mcpClients() {
		user := strings.ReplaceAll(c.name, " ", ".")
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mcpClientGetsLinkAsText(t, h, c, user+".text@mcp.example")
		})
		t.Run(c.name+" that opens links", func(t *testing.T) {
			t.Parallel()
			mcpClientOpensLinks(t, h, c, user+".links@mcp.example")
		})
	}
}

// enters starts the client, and checks what it agreed on with the gateway.
func (c mcpClient) enters(t *testing.T, h *toolHouse, user string, args ...string) *driverRun {
	t.Helper()
	d := c.start(t, h, user, args...)
	var met struct{ Protocol, Server string }
	if err := json.Unmarshal(d.end(t).Result, &met); err != nil {
		t.Fatal(err)
	}
	if met.Protocol != c.protocol || met.Server == "" {
		t.Errorf("the client agreed on %+v, want the protocol %s", met, c.protocol)
	}
	return d
}

func (c mcpClient) calling(tool string, input map[string]any) call {
	if c.argumentsAsFirst {
		return call{Method: c.call, Args: []any{map[string]any{"name": tool, "arguments": input}}}
	}
	return call{Method: c.call, Args: []any{tool, input}}
}

func mcpClientGetsLinkAsText(t *testing.T, h *toolHouse, c mcpClient, user string) {
	d := c.enters(t, h, user)
	var listed struct{ Tools []struct{ Name string } }
	d.succeeds(t, call{Method: c.listTools}, &listed)
	var names []string
	for _, tool := range listed.Tools {
		names = append(names, tool.Name)
	}
	slices.Sort(names)
	want := []string{"Samples_FailRetryable", "Samples_FailUpstream", "Samples_ListProjects", "Samples_ReticulateSplines", "Samples_WhatIsThere"}
	if !cmp.Equal(want, names) {
		t.Errorf("tools (-want +got):\n%s", cmp.Diff(want, names))
	}

	list := c.calling("Samples_ListProjects", map[string]any{"query": ""})
	var r mcpResult
	d.succeeds(t, list, &r)
	link := startLink.FindString(r.said())
	if !r.IsError || !strings.HasPrefix(r.said(), "authorization required") || link == "" {
		t.Fatalf("without an authorization: got %q, want the link", r.said())
	}
	newPerson(t, "alice").consents(t, link)
	r = mcpResult{}
	d.succeeds(t, list, &r)
	if r.IsError || r.StructuredContent["total"] != 2.0 || !strings.Contains(r.said(), "TEA") {
		t.Errorf("after the consent: got %q, want the projects", r.said())
	}

	r = mcpResult{}
	d.succeeds(t, c.calling("Samples_FailRetryable", map[string]any{"what": "no tea"}), &r)
	why, _ := r.Meta["keybearer/error"].(map[string]any)
	if !r.IsError || !strings.Contains(r.said(), "no tea") || !strings.Contains(r.said(), "Try teapots.") || why["kind"] != "TOOL_RUNTIME_RETRY" {
		t.Errorf("a tool that fails: got %q and %v", r.said(), r.Meta)
	}
	if e := d.raises(t, c.calling("Samples_Nothing", map[string]any{})); !strings.Contains(e.Text, "no tool of this name") || e.Code != -32602 {
		t.Errorf("a tool that there is not: got %d %q", e.Code, e.Text)
	}
}

// mcpClientOpensLinks: the call waits for the person and goes on by itself.
func mcpClientOpensLinks(t *testing.T, h *toolHouse, c mcpClient, user string) {
	d := c.enters(t, h, user, "opens")
	var asked, done mcpResult
	d.succeeds(t, c.calling("Samples_ReticulateSplines", map[string]any{"num_splines": 3}), &asked)
	d.process.tell(t, map[string]string{"action": "decline"})
	d.result(t, &done)
	if asked.Open == "" || !done.IsError || !strings.Contains(done.said(), "authorization required") {
		t.Errorf("who declines: got %q after the link %q, want authorization required", done.said(), asked.Open)
	}

	asked, done = mcpResult{}, mcpResult{}
	d.succeeds(t, c.calling("Samples_ListProjects", map[string]any{"query": ""}), &asked)
	if asked.Open == "" {
		t.Fatalf("the client was shown no link but %q", asked.said())
	}
	d.process.tell(t, map[string]string{"action": "accept"})
	newPerson(t, "alice").consents(t, asked.Open)
	d.result(t, &done)
	if done.IsError || done.StructuredContent["total"] != 2.0 {
		t.Errorf("after the consent: got %q, want the projects", done.said())
	}
}

// result reads what became of a call that was interrupted by a question.
func (d *driverRun) result(t *testing.T, v any) {
	t.Helper()
	answer := d.end(t)
	if e := answer.Exception; e != nil {
		t.Fatalf("the call ended in %s: %s", e.Class, e.Text)
	}
	if err := json.Unmarshal(answer.Result, v); err != nil {
		t.Fatalf("%s: %v", answer.Result, err)
	}
}

// inspectorWorks: the command line of the protocol's inspector.
func inspectorWorks(t *testing.T, h *toolHouse) {
	inspect := func(code int, args ...string) mcpResult {
		t.Helper()
		all := append([]string{
			absolute(t, "node/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"), "--cli", h.URL + "/mcp", "--transport", "http",
			"--header", "Authorization: Bearer " + h.Key, "--header", "Arcade-User-ID: inspector@mcp.example",
		}, args...)
		cmd := exec.CommandContext(t.Context(), nodeBinary(t), all...)
		cmd.Env = []string{"PATH=" + t.TempDir(), "HOME=" + t.TempDir()}
		var problem bytes.Buffer
		cmd.Stderr = &problem
		out, _ := cmd.Output()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Fatalf("the inspector ended with %d, want %d: %s", got, code, &problem)
		}
		var r mcpResult
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("the inspector printed %s: %v", out, err)
		}
		r.Open = string(out)
		return r
	}
	const toolFailed = 5
	if listed := inspect(0, "--method", "tools/list", "--strict").Open; !strings.Contains(listed, `"Samples_ListProjects"`) || !strings.Contains(listed, `"num_splines"`) {
		t.Errorf("the inspector lists %s", listed)
	}
	list := []string{"--method", "tools/call", "--tool-name", "Samples_ListProjects", "--tool-arg", "query=tea"}
	missing := inspect(toolFailed, list...)
	link := startLink.FindString(missing.said())
	if !missing.IsError || link == "" {
		t.Fatalf("without an authorization: got %q, want the link", missing.said())
	}
	newPerson(t, "alice").consents(t, link)
	if done := inspect(0, list...); done.IsError || !strings.Contains(done.said(), "TEA") {
		t.Errorf("after the consent: got %q, want the projects", done.said())
	}
}

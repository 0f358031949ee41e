package interop_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// tell asks the control API for something that comes back.
func (s *sandbox) tell(t *testing.T, path string, body, v any) {
	t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("asking the sandbox for %s: %v", path, err)
	}
	resp, err := http.Post(s.controlURL+path, "application/json", bytes.NewReader(sent))
	if err != nil {
		t.Fatalf("asking the sandbox for %s: %v", path, err)
	}
	read(t, resp, http.StatusOK, v)
}

// pat is a personal access token of alice's, at a Data Center product.
func (s *sandbox) pat(t *testing.T) string {
	t.Helper()
	var made struct{ Token string }
	s.tell(t, "/control/pat", map[string]string{"user": "alice"}, &made)
	return made.Token
}

// worksInJiraByPython is a working day with the Python package jira, at Cloud's gateway or Data Center.
func worksInJiraByPython(t *testing.T, d *driverRun) {
	t.Helper()
	if me := does[anything](t, d, "myself"); me["displayName"] != "Alice Adams" {
		t.Errorf("myself: got %v, want Alice Adams", me)
	}
	made := does[anything](t, d, "create_issue", map[string]any{"project": map[string]string{"key": "TEA"}, "issuetype": map[string]string{"name": "Task"}, "summary": "Taste"})
	if made.at("fields", "summary") != "Taste" {
		t.Errorf("the new issue: got %v", made)
	}
	if issue := does[anything](t, d, "issue", made["key"]); issue["key"] != made["key"] {
		t.Errorf("the issue: got %v, want %v", issue["key"], made["key"])
	}
	if found := does[[]anything](t, d, "search_issues", "project = TEA"); len(found) != 4 {
		t.Errorf("search: got %d issues, want 4", len(found))
	}
	if e := d.raises(t, call{Method: "issue", Args: []any{"TEA-999"}}); e.Class != "JIRAError" || e.Code != http.StatusNotFound {
		t.Errorf("an issue that there is not: got %s %d", e.Class, e.Code)
	}
}

func TestPythonJiraWorksAtCloudAndDataCenter(t *testing.T) {
	t.Parallel()
	t.Run("cloud", func(t *testing.T) {
		t.Parallel()
		s := startSandbox(t)
		d := pythonDriver(t, []string{"HOST=" + s.gateway("jira"), "ACCESS_TOKEN=" + s.signIn(t, scopesOfJira()...).AccessToken}, "products.py", "jira")
		worksInJiraByPython(t, d)
	})
	t.Run("data center", func(t *testing.T) {
		t.Parallel()
		s := startSandbox(t, "--data-center", "jira", "--switch", "context_path=/jira")
		d := pythonDriver(t, []string{"HOST=" + s.URL + "/jira", "ACCESS_TOKEN=" + s.pat(t)}, "products.py", "jira")
		worksInJiraByPython(t, d)
	})
}

func TestAtlassianPythonAPIWorksAtDataCenter(t *testing.T) {
	t.Parallel()
	t.Run("jira", func(t *testing.T) {
		t.Parallel()
		s := startSandbox(t, "--data-center", "jira")
		d := pythonDriver(t, []string{"HOST=" + s.URL, "ACCESS_TOKEN=" + s.pat(t)}, "products.py", "api-jira")
		if me := does[anything](t, d, "myself"); me["name"] != "alice" {
			t.Errorf("myself: got %v, want alice", me)
		}
		if found := does[anything](t, d, "jql", "project = TEA"); found["total"] != 3.0 {
			t.Errorf("search: got %v, want 3 issues", found["total"])
		}
		if issue := does[anything](t, d, "issue", "TEA-1"); issue.at("fields", "summary") != "Warm the pots" {
			t.Errorf("the issue: got %v", issue)
		}
	})
	t.Run("confluence", func(t *testing.T) {
		t.Parallel()
		s := startSandbox(t, "--data-center", "confluence", "--switch", "context_path=/wiki")
		d := pythonDriver(t, []string{"HOST=" + s.URL + "/wiki", "ACCESS_TOKEN=" + s.pat(t)}, "products.py", "api-confluence")
		if page := does[anything](t, d, "get_page_by_id", "98310"); page["title"] != "Welcome" {
			t.Errorf("the page: got %v", page)
		}
		if e := d.raises(t, call{Method: "get_page_by_id", Args: []any{"1"}}); e.Class != "ApiError" && e.Class != "HTTPError" {
			t.Errorf("a page that there is not: got %s %s", e.Class, e.Text)
		}
	})
}

// TestMCPAtlassianWorksAtDataCenter speaks the Model Context Protocol with mcp-atlassian, as an agent does.
func TestMCPAtlassianWorksAtDataCenter(t *testing.T) {
	t.Parallel()
	jira, wiki := startSandbox(t, "--data-center", "jira"), startSandbox(t, "--data-center", "confluence", "--switch", "context_path=/wiki")
	agent := startMCPAtlassian(t,
		"JIRA_URL="+jira.URL, "JIRA_PERSONAL_TOKEN="+jira.pat(t), "CONFLUENCE_URL="+wiki.URL+"/wiki", "CONFLUENCE_PERSONAL_TOKEN="+wiki.pat(t))
	agent.finds(t, "jira_get_issue", map[string]any{"issue_key": "TEA-1"}, "Warm the pots")
	agent.finds(t, "jira_search", map[string]any{"jql": "project = TEA"}, "Order more oolong")
	agent.finds(t, "jira_create_issue", map[string]any{"project_key": "TEA", "summary": "Taste", "issue_type": "Task"}, "TEA-4")
	agent.finds(t, "confluence_get_page", map[string]any{"page_id": "98311"}, "How to pour")
}

// mcpAtlassian is a running mcp-atlassian.
type mcpAtlassian struct {
	*process
	asked int
}

func startMCPAtlassian(t *testing.T, env ...string) *mcpAtlassian {
	t.Helper()
	need(t, partPython)
	m := &mcpAtlassian{process: run(t, "mcp-atlassian", command{
		path: strings.TrimSuffix(pythonBinary(t), "python") + "mcp-atlassian", dir: "python", env: env,
	})}
	m.greets(t)
	return m
}

// greets opens the conversation, as every client of the protocol does.
func (m *mcpAtlassian) greets(t *testing.T) {
	t.Helper()
	m.asks(t, "initialize", map[string]any{
		"protocolVersion": "2025-06-18", "capabilities": map[string]any{}, "clientInfo": map[string]string{"name": "interop", "version": "1"},
	})
	m.tell(t, map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"})
}

func (m *mcpAtlassian) asks(t *testing.T, method string, params any) anything {
	t.Helper()
	m.asked++
	m.tell(t, map[string]any{"jsonrpc": "2.0", "id": m.asked, "method": method, "params": params})
	var answer anything
	m.line(t, m.asked-1, &answer)
	return answer
}

// finds calls a tool, and wants a text in what it says.
func (m *mcpAtlassian) finds(t *testing.T, tool string, arguments map[string]any, want string) {
	t.Helper()
	answer := m.asks(t, "tools/call", map[string]any{"name": tool, "arguments": arguments})
	if said := text(answer); answer.at("result", "isError") == true || !strings.Contains(said, want) {
		t.Errorf("%s: got %s, want %q in it", tool, said, want)
	}
}

package interop_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

const atTeahouse = "https://sandbox-teahouse.atlassian.net"

// atlassianWorks: a program that knows the site's address alone is served by the gateway, with the token of OAuth.
func atlassianWorks(t *testing.T, l *laptop) {
	r := l.runs(t, "curl", "-fsS", atTeahouse+"/rest/api/3/myself")
	var me struct{ EmailAddress string }
	if err := json.Unmarshal([]byte(r.stdout), &me); err != nil || me.EmailAddress != "alice@example.com" {
		t.Errorf("got %q, want alice's account\n%s", r.stdout, r.stderr)
	}
	var history struct {
		Records []struct {
			Path, Auth, User string
			Agent            string `json:"user_agent"`
			Status           int
		}
	}
	resp, err := http.Get(l.sandbox.controlURL + "/control/history?endpoint=api&last=1000")
	if err != nil {
		t.Fatal(err)
	}
	read(t, resp, http.StatusOK, &history)
	asked := 0
	for _, r := range history.Records {
		if strings.HasPrefix(r.Agent, "curl/") {
			asked++
			if want := "/ex/jira/" + teahouseID + "/rest/api/3/myself"; r.Path != want || r.Auth != "bearer" || r.User != "alice" || r.Status != http.StatusOK {
				t.Errorf("the sandbox saw %+v, want alice's token at %s", r, want)
			}
		}
	}
	if asked != 1 {
		t.Errorf("the sandbox saw %d requests of curl, want 1", asked)
	}
}

// mcpAtlassianWorks speaks the Model Context Protocol with mcp-atlassian for Cloud, which is set up with an API token's
// user and the placeholder.
func mcpAtlassianWorks(t *testing.T, l *laptop) {
	need(t, partPython)
	server := strings.TrimSuffix(pythonBinary(t), "python") + "mcp-atlassian"
	m := &mcpAtlassian{process: run(t, "keybearer run", command{
		path: built(), dir: "python", env: append(l.env, "JIRA_URL="+atTeahouse, "JIRA_USERNAME=alice@example.com"),
		args: []string{"run", "--", server},
	})}
	m.greets(t)
	m.finds(t, "jira_get_issue", map[string]any{"issue_key": "TEA-1"}, "Warm the pots")
	m.finds(t, "jira_search", map[string]any{"jql": "project = TEA"}, "Order more oolong")
	m.finds(t, "jira_create_issue", map[string]any{"project_key": "TEA", "summary": "Taste", "issue_type": "Task"}, "TEA-4")
	l.heldNothing(t, append(m.stdout.all(), m.stderr.all()...)...)
}

package interop_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPublishedToolsRun: tools written for the published framework, as the provider pages show them, run unchanged, for
// those who call them with the published clients.
func TestPublishedToolsRun(t *testing.T) {
	t.Parallel()
	h := openToolHouse(t)
	h.storesSecret(t, "TEA_HOUSE", teaHouseSecret)

	withEachClient(t, func(t *testing.T, c published) {
		u := &toolUser{driverRun: c.drive(t, h.URL, h.Key), house: h, user: strings.ReplaceAll(c.name, " ", ".") + "@example.com"}
		t.Run("are listed", func(t *testing.T) { toolsAreListed(t, u) })
		t.Run("list projects", func(t *testing.T) { projectsAreListed(t, u) })
		t.Run("reticulate splines", func(t *testing.T) { splinesAreReticulated(t, u) })
		t.Run("find a secret", func(t *testing.T) { secretsArrive(t, u) })
		t.Run("fail", func(t *testing.T) { failuresAreTold(t, u) })
	})
	for name, test := range map[string]func(*testing.T, *toolHouse){
		"helpers for agents": helpersGiveLinks, "mcp": mcpClientsWork, "conformance": conformanceHolds, "inspector": inspectorWorks,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

const teaHouseSecret = "the kettle is the third"

// toolUser is someone whose app calls tools with a published client.
type toolUser struct {
	*driverRun
	house *toolHouse
	user  string
}

// executed is what a client says of a call.
type executed struct {
	Status  string
	Success bool
	Output  struct {
		Value any
		Error struct {
			Kind, Message           string
			AdditionalPromptContent string `json:"additional_prompt_content"`
			CanRetry                bool   `json:"can_retry"`
			StatusCode              int    `json:"status_code"`
			RetryAfterMS            int    `json:"retry_after_ms"`
		}
	}
}

func (u *toolUser) execution(tool string, input any) call {
	return u.with("tools.execute", map[string]any{"tool_name": tool, "input": input, "user_id": u.user})
}

func (u *toolUser) executes(t *testing.T, tool string, input any) executed {
	t.Helper()
	var done executed
	u.succeeds(t, u.execution(tool, input), &done)
	return done
}

// authorizes asks for the link of a tool, and consents there.
func (u *toolUser) authorizes(t *testing.T, tool string, who *person) {
	t.Helper()
	var pending struct{ Status, URL string }
	u.succeeds(t, u.with("tools.authorize", map[string]any{"tool_name": tool, "user_id": u.user}), &pending)
	if pending.Status != "pending" {
		t.Fatalf("%s: the authorization is %s, want pending", tool, pending.Status)
	}
	who.consents(t, pending.URL)
	u.succeeds(t, u.with("tools.authorize", map[string]any{"tool_name": tool, "user_id": u.user}), &pending)
	if pending.Status != "completed" {
		t.Fatalf("%s: after the consent the authorization is %s, want completed", tool, pending.Status)
	}
}

// needs checks that a call is refused for the want of an authorization, in the words that the clients know.
func (u *toolUser) needs(t *testing.T, tool string, input any) {
	t.Helper()
	e := u.raises(t, u.execution(tool, input))
	if e.Class != "PermissionDeniedError" || e.Code != http.StatusForbidden || !strings.Contains(e.Text, "authorization required") {
		t.Errorf("%s without an authorization: got %s %d %q, want PermissionDeniedError 403 authorization required", tool, e.Class, e.Code, e.Text)
	}
}

func toolsAreListed(t *testing.T, u *toolUser) {
	want := []string{"FailRetryable", "FailUpstream", "ListProjects", "ReticulateSplines", "WhatIsThere"}
	var listed []struct {
		Name               string
		FullyQualifiedName string `json:"fully_qualified_name"`
	}
	c := u.with("tools.list", map[string]any{"toolkit": "Samples", "limit": 2})
	c.Every = true
	u.succeeds(t, c, &listed)
	var names []string
	for _, tool := range listed {
		names = append(names, tool.Name)
		if want := "Samples." + tool.Name + "@0.2.0"; tool.FullyQualifiedName != want {
			t.Errorf("got the name %s, want %s", tool.FullyQualifiedName, want)
		}
	}
	if slices.Sort(names); !cmp.Equal(want, names) {
		t.Errorf("tools (-want +got):\n%s", cmp.Diff(want, names))
	}

	var formatted struct {
		Function struct {
			Name, Description string
			Parameters        json.RawMessage
		}
		InputSchema json.RawMessage `json:"input_schema"`
		Name        string
	}
	u.succeeds(t, u.with("tools.formatted.get", map[string]any{"format": "openai"}, "Samples.ListProjects"), &formatted)
	if f := formatted.Function; f.Name != "Samples_ListProjects" || f.Description != "List a Jira user's projects." || !strings.Contains(string(f.Parameters), `"query"`) {
		t.Errorf("for OpenAI: got %+v", f)
	}
	u.succeeds(t, u.with("tools.formatted.get", map[string]any{"format": "anthropic"}, "Samples.ListProjects"), &formatted)
	if formatted.Name != "Samples_ListProjects" || !strings.Contains(string(formatted.InputSchema), `"query"`) {
		t.Errorf("for Anthropic: got %s %s", formatted.Name, formatted.InputSchema)
	}
}

// projectsAreListed: no call without consent; with it the tool reaches Jira in the user's name.
func projectsAreListed(t *testing.T, u *toolUser) {
	input := map[string]any{"query": "tea"}
	u.needs(t, "Samples.ListProjects", input)
	if met := u.requirements(t, "Samples.ListProjects"); met {
		t.Error("the tool's requirements are met before any consent")
	}
	u.authorizes(t, "Samples.ListProjects", newPerson(t, "alice"))
	if met := u.requirements(t, "Samples.ListProjects"); !met {
		t.Error("the tool's requirements are not met after the consent")
	}
	for _, name := range []string{"Samples.ListProjects", "Samples_ListProjects", "samples.listprojects@0.2.0"} {
		done := u.executes(t, name, input)
		if page, _ := done.Output.Value.(map[string]any); !done.Success || !strings.Contains(text(page), "TEA") {
			t.Errorf("%s: got %+v, want the projects", name, done)
		}
	}
	all := u.executes(t, "Samples.ListProjects", map[string]any{})
	if page, _ := all.Output.Value.(map[string]any); page["total"] != 2.0 {
		t.Errorf("without a query: got %+v, want two projects", all)
	}
}

func (u *toolUser) requirements(t *testing.T, tool string) bool {
	t.Helper()
	var got struct{ Requirements struct{ Met bool } }
	u.succeeds(t, u.with("tools.get", map[string]any{"user_id": u.user}, tool), &got)
	return got.Requirements.Met
}

// splinesAreReticulated: a provider by its id, and a tool that gives nothing.
func splinesAreReticulated(t *testing.T, u *toolUser) {
	input := map[string]any{"num_splines": 3}
	u.needs(t, "Samples.ReticulateSplines", input)
	u.authorizes(t, "Samples.ReticulateSplines", newPerson(t, u.user))
	if done := u.executes(t, "Samples.ReticulateSplines", input); !done.Success || !cmp.Equal(any(map[string]any{}), done.Output.Value) {
		t.Errorf("got %+v, want success and the empty object that the framework makes of nothing", done)
	}
	done := u.executes(t, "Samples.ReticulateSplines", map[string]any{"num_splines": "many"})
	if e := done.Output.Error; done.Success || e.Kind != "TOOL_RUNTIME_BAD_INPUT_VALUE" {
		t.Errorf("with a word for a number: got %+v, want TOOL_RUNTIME_BAD_INPUT_VALUE", done)
	}
}

// secretsArrive: and the user's id, token and user info beside them, by the consent that was given for splines.
func secretsArrive(t *testing.T, u *toolUser) {
	done := u.executes(t, "Samples.WhatIsThere", map[string]any{})
	want := map[string]any{"user": u.user, "sub": u.user, "token": true, "secret": teaHouseSecret}
	if !cmp.Equal(any(want), done.Output.Value) {
		t.Errorf("what the tool found (-want +got):\n%s", cmp.Diff(any(want), done.Output.Value))
	}
}

func failuresAreTold(t *testing.T, u *toolUser) {
	done := u.executes(t, "Samples.FailRetryable", map[string]any{"what": "no tea"})
	if e := done.Output.Error; done.Success || e.Kind != "TOOL_RUNTIME_RETRY" || !e.CanRetry || !strings.Contains(e.Message, "no tea") ||
		e.AdditionalPromptContent != "Try teapots." || e.RetryAfterMS != 20 {
		t.Errorf("got %+v, want TOOL_RUNTIME_RETRY with what helps the next try", done)
	}
	done = u.executes(t, "Samples.FailUpstream", map[string]any{"what": "no such pot"})
	if e := done.Output.Error; done.Success || e.Kind != "UPSTREAM_RUNTIME_NOT_FOUND" || e.CanRetry || e.StatusCode != http.StatusNotFound || !strings.Contains(e.Message, "no such pot") {
		t.Errorf("got %+v, want UPSTREAM_RUNTIME_NOT_FOUND and 404", done)
	}
}

// helpersGiveLinks: the client's own functions for agents turn the 403 into a link.
func helpersGiveLinks(t *testing.T, h *toolHouse) {
	agent := nodeDriver(t, clientEnv(h.URL, h.Key), "zodtools.mjs", "agent@example.com", "Samples.ListProjects", "Samples.FailUpstream")
	var names []string
	if err := json.Unmarshal(agent.end(t).Result, &names); err != nil || !cmp.Equal([]string{"Samples_ListProjects", "Samples_FailUpstream"}, names) {
		t.Errorf("the tools are %v, want the two", names)
	}
	missing := does[anything](t, agent, "Samples_ListProjects", map[string]string{"query": ""})
	link, _ := missing["url"].(string)
	if missing["authorization_required"] != true || link == "" {
		t.Fatalf("got %v, want a link", missing)
	}
	newPerson(t, "alice").consents(t, link)
	if done := does[anything](t, agent, "Samples_ListProjects", map[string]string{"query": ""}); done.at("output", "value", "total") != 2.0 {
		t.Errorf("after the consent: got %v, want the projects", done)
	}
	if done := does[anything](t, agent, "Samples_FailUpstream", map[string]string{"what": "gone"}); done["success"] != false {
		t.Errorf("a tool that fails: got %v, want no success", done)
	}
}

// storesSecret gives the engine a secret for tools.
func (h *toolHouse) storesSecret(t *testing.T, key, value string) {
	t.Helper()
	h.guards(value)
	admin := nodeDriver(t, clientEnv(h.URL, h.Key), "driver.mjs")
	stored := does[anything](t, admin, "admin.secrets.create", key, map[string]string{"value": value})
	if stored["key"] != key || strings.Contains(text(stored), value) {
		t.Errorf("the secret was stored as %v, want its key alone", stored)
	}
}

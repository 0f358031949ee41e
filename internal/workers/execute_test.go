package workers_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/secret"
)

func TestToolGetsItsUsersToken(t *testing.T) {
	l := open(t, options{})
	_, err := l.box.Execute(t.Context(), l.app, workers.Call{Tool: "Hooli.ListProjects", User: alice, NextURI: "https://app.example.com/done"})
	required, ok := errors.AsType[*keybearer.AuthorizationRequired](err)
	if !ok || !strings.HasPrefix(err.Error(), "authorization required") || required.Authorization.Status != keybearer.AuthorizationPending {
		t.Fatalf("got %v, want it to say that authorization is required, with the link", err)
	}
	if len(l.worker.History()) != 0 {
		t.Error("the worker was called for a user who has not authorized it")
	}
	l.consent(required.Authorization.ID)

	for _, name := range []string{"Hooli.ListProjects", "Hooli_ListProjects", "hooli.listprojects@1.0.0", "HOOLI_LISTPROJECTS"} {
		done := l.call(name, nil)
		if done.ExecutionType != "immediate" || done.Status != "success" || !strings.HasPrefix(done.ID, "te_") || done.ID != done.ExecutionID || done.FinishedAt == "" || done.Duration <= 0 {
			t.Errorf("%s: got %+v", name, done)
		}
		got := l.told(done).Context
		if got.Authorization == nil || got.Authorization.Token == "" || got.UserID != string(alice) {
			t.Fatalf("%s: got %+v, want alice and a token", name, got)
		}
		var info map[string]any
		if err := json.Unmarshal(got.Authorization.UserInfo, &info); err != nil || len(info) == 0 {
			t.Errorf("%s: got the user info %s, want what the provider says", name, got.Authorization.UserInfo)
		}
		want := []api.Keyed{{Key: "client_id", Value: clientID}, {Key: "coordinator_url", Value: publicURL}}
		if diff := cmp.Diff(want, got.Metadata); diff != "" {
			t.Errorf("%s: metadata (-want +got):\n%s", name, diff)
		}
	}
	lines := l.kept.calls()
	last := lines[len(lines)-1]
	if last.Outcome != "ok" || last.User != alice || last.Provider != "hooli" || !strings.Contains(last.Reason, "Hooli.ListProjects@1.0.0 of worker hooli-tools") {
		t.Errorf("got the audit line %+v", last)
	}
	if first := lines[0]; first.Outcome != string(keybearer.PermissionDenied) || strings.Contains(first.Reason, "/start/") {
		t.Errorf("got the audit line %+v, want that authorization is required, without the link", first)
	}
}

// A tool that needs nothing is told nothing, in the shapes that published workers want.
func TestInvocationHasTheProtocolsShape(t *testing.T) {
	l := open(t, options{})
	done := l.call("Hooli.Echo", map[string]any{"text": "hello", "any": []int{1}})
	got := l.told(done)
	if string(got.Inputs["text"]) != `"hello"` || string(got.Inputs["any"]) != `[1]` || got.Context.Authorization != nil {
		t.Errorf("got %+v", got)
	}
	in := l.worker.History()[0]
	text := string(must(json.Marshal(in))(t))
	for _, want := range []string{`"secrets":[]`, `"user_id":"alice@example.com"`, `"tool":{"name":"Echo","toolkit":"Hooli","version":"1.0.0"}`, `"execution_id":"` + done.ID} {
		if !strings.Contains(text, want) {
			t.Errorf("got %s, want %s in it", text, want)
		}
	}
	if _, err := time.Parse(time.RFC3339, in.CreatedAt); err != nil {
		t.Error(err)
	}
}

func TestSecretsAreLentAndNeverShown(t *testing.T) {
	l := open(t, options{})
	done := l.call("Hooli.Notify", nil)
	wantError(t, done, api.ToolRequirementsNotMet, "HOOK")
	if len(l.worker.History()) != 0 {
		t.Error("the worker was called without the secret that its tool needs")
	}
	const value = "the address of the hook"
	put := must(l.admin.PutToolSecret(t.Context(), "hook", secret.New(value), "where it goes"))(t)
	if put.ID == "" || len(put.Value) != 0 || !put.AccessedAt.IsZero() {
		t.Errorf("got %+v, want no value", put)
	}
	for range 2 {
		got := l.told(l.call("Hooli.Notify", nil)).Context
		if diff := cmp.Diff([]api.Keyed{{Key: "HOOK", Value: value}}, got.Secrets); diff != "" {
			t.Error(diff)
		}
	}
	list := must(l.admin.ToolSecrets(t.Context()))(t)
	if len(list) != 1 || len(list[0].Value) != 0 || !list[0].AccessedAt.Equal(l.clock.Now()) || list[0].Version != 1 {
		t.Errorf("got %+v, want no value, and when it was used", list)
	}
	_, err := l.app.ToolSecrets(t.Context())
	wantKind(t, err, keybearer.PermissionDenied)
}

// A worker that says what it was lent, in an error or a log, says it to nobody.
func TestFailuresTellNeitherTokenNorStackTrace(t *testing.T) {
	l := open(t, options{})
	l.connect("read")
	input := map[string]any{
		"kind": api.ToolRetry, "message": "try another name", "can_retry": true, "retry_after_ms": 1500,
		"additional_prompt_content": "names: a, b", "extra": map[string]any{"hint": 1},
	}
	done := l.call("Hooli.Fail", input)
	e := wantError(t, done, api.ToolRetry, "try another name")
	if e.Stacktrace != "" || !e.CanRetry || e.RetryAfterMS != 1500 || e.AdditionalPromptContent != "names: a, b" || string(e.Extra["hint"]) != "1" {
		t.Errorf("got %+v", e)
	}
	token := l.worker.History()[0].Context.Authorization.Token
	if text := string(must(json.Marshal(done))(t)); strings.Contains(text, token) || !strings.Contains(text, secret.Redacted) {
		t.Errorf("got %s, want the token taken out", text)
	}
	if strings.Contains(l.kept.logged(), token) {
		t.Error("the log has the token")
	}
	done = must(l.box.Execute(t.Context(), l.app, workers.Call{Tool: "Hooli.Fail", User: alice, Input: inputs(t, input), Stacktrace: true}))(t)
	if done.Output.Error.Stacktrace != "at line 1" {
		t.Errorf("got the stack trace %q, want it where it is asked for", done.Output.Error.Stacktrace)
	}
	last := l.kept.calls()[1]
	if last.Outcome == "ok" || strings.Contains(last.Reason, "another name") || !strings.Contains(last.Reason, api.ToolRetry) {
		t.Errorf("got the audit line %+v, want the kind and not the message", last)
	}
}

func TestEachErrorKindComesThrough(t *testing.T) {
	l := open(t, options{})
	l.connect("read")
	for _, kind := range []string{
		api.ToolLoadFailed, api.ToolBadDefinition, api.ToolBadInputSchema, api.ToolBadOutputSchema, api.ToolRequirementsNotMet, api.ToolBadInput,
		api.ToolBadOutput, api.ToolRetry, api.ToolContextRequired, api.ToolFatal, api.ToolContextCheckFailed, api.ToolContextDenied,
		api.ToolUpstreamBadRequest, api.ToolUpstreamNotFound, api.ToolUpstreamValidation, api.ToolUpstreamRateLimit, api.ToolUpstreamServerError,
		api.ToolUpstreamUnmapped, api.ToolNetworkTimeout, api.ToolNetworkUnreachable, api.ToolNetworkUnmapped, api.ToolUnknown,
	} {
		before := len(l.worker.History())
		wantError(t, l.call("Hooli.Fail", map[string]any{"kind": kind, "message": "because"}), kind, "because")
		if calls := len(l.worker.History()) - before; calls != 1 {
			t.Errorf("%s: got %d calls, want 1: it may have been executed", kind, calls)
		}
	}
}

// What the provider refuses is renewed once. Whether the tool is called again is the tool's to say.
func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	l := open(t, options{})
	l.connect("read")
	for _, c := range []struct {
		name  string
		input map[string]any
		calls int
	}{
		{"the tool permits it", map[string]any{"kind": api.ToolUpstreamAuth, "can_retry": true}, 2},
		{"by status", map[string]any{"kind": api.ToolUpstreamUnmapped, "status_code": 401, "can_retry": true}, 2},
		{"the tool does not permit it", map[string]any{"kind": api.ToolUpstreamAuth}, 1},
		{"something else", map[string]any{"kind": api.ToolUpstreamServerError, "can_retry": true}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(l.worker.History())
			done := l.call("Hooli.Fail", c.input)
			wantError(t, done, c.input["kind"].(string))
			calls := l.worker.History()[before:]
			if len(calls) != c.calls {
				t.Fatalf("got %d calls, want %d", len(calls), c.calls)
			}
			first, next := calls[0].Context.Authorization.Token, l.told(l.call("Hooli.ListProjects", nil)).Context.Authorization.Token
			renewed := c.input["kind"] != api.ToolUpstreamServerError
			if (first != next) != renewed {
				t.Errorf("the next call has another token: %v, want %v", first != next, renewed)
			}
			if c.calls == 2 && calls[1].Context.Authorization.Token != next {
				t.Error("the second call had not the renewed token, or it was renewed twice")
			}
		})
	}
}

// The error of a refused token whose grant is dead comes with the link that helps.
func TestDeadGrantGivesTheLink(t *testing.T) {
	l := open(t, options{})
	l.connect("read")
	l.provider.RevokeUser("alice")
	before := len(l.worker.History())
	done := l.call("Hooli.Fail", map[string]any{"kind": api.ToolUpstreamAuth, "can_retry": true})
	wantError(t, done, api.ToolUpstreamAuth)
	if a := done.Output.Authorization; a == nil || a.Status != api.Pending || !strings.HasPrefix(a.URL, publicURL+"/start/") {
		t.Errorf("got %+v, want a link", a)
	}
	if calls := len(l.worker.History()) - before; calls != 1 {
		t.Errorf("got %d calls, want 1", calls)
	}
}

func TestToolAsksForMoreInTheMiddle(t *testing.T) {
	l := open(t, options{})
	l.connect("read")
	done := l.call("Hooli.More", nil)
	a := done.Output.Authorization
	if done.Success || a == nil || a.Status != api.Pending || !strings.HasPrefix(a.URL, publicURL+"/start/ac_") || a.ProviderID != "hooli" {
		t.Fatalf("got %+v with %+v, want a pending authorization", done, a)
	}
	if diff := cmp.Diff([]string{"read", "write"}, a.Scopes); diff != "" {
		t.Errorf("want what is declared and what is asked for:\n%s", diff)
	}
	if len(l.worker.History()) != 1 {
		t.Errorf("got %d calls, want 1", len(l.worker.History()))
	}
	l.consent(keybearer.AuthorizationID(a.ID))
	if got := l.told(l.call("Hooli.ListProjects", nil)); got.Context.Authorization.Token == "" {
		t.Error("there is no token after the consent")
	}
}

// A person who declines is asked again by the next call, and nothing is executed.
func TestUserWhoDeclinesIsAskedAgain(t *testing.T) {
	l := open(t, options{})
	execute := func() *keybearer.AuthorizationRequired {
		_, err := l.box.Execute(t.Context(), l.app, workers.Call{Tool: "Hooli.ListProjects", User: alice})
		required, ok := errors.AsType[*keybearer.AuthorizationRequired](err)
		if !ok {
			t.Fatalf("got %v, want that authorization is required", err)
		}
		return required
	}
	first := execute().Authorization
	l.provider.Decline()
	func() {
		v := l.broker.Visitor(keybearer.NewBrowserSecret())
		to := must(v.Begin(t.Context(), first.ID))(t)
		_, err := v.Complete(t.Context(), declined(t, to))
		if err == nil {
			t.Fatal("a consent that was declined was completed")
		}
	}()
	if second := execute().Authorization; second.ID == first.ID || second.Status != keybearer.AuthorizationPending {
		t.Errorf("got %+v, want a new authorization", second)
	}
	if len(l.worker.History()) != 0 {
		t.Error("the tool was executed")
	}
}

// A key that may act for some only may not by way of a tool.
func TestLimitsOfAKeyHoldForTools(t *testing.T) {
	l := open(t, options{})
	l.connect("read")
	for name, c := range map[string]struct {
		caller keybearer.Caller
		tool   string
		user   keybearer.UserID
		want   keybearer.Kind
	}{
		"another user":               {keybearer.Caller{Users: "*@other.example"}, "Hooli.ListProjects", alice, keybearer.PermissionDenied},
		"another user, nothing lent": {keybearer.Caller{Users: "*@other.example"}, "Hooli.Echo", alice, keybearer.PermissionDenied},
		"no user":                    {keybearer.Caller{}, "Hooli.ListProjects", "", keybearer.BadRequest},
		"another provider":           {keybearer.Caller{Providers: []keybearer.ProviderID{"atlassian"}}, "Hooli.ListProjects", alice, keybearer.ProviderNotFound},
		"no such tool":               {keybearer.Caller{}, "Hooli.Nothing", alice, keybearer.NotFound},
		"no such version":            {keybearer.Caller{}, "Hooli.Echo@9.9", alice, keybearer.NotFound},
		"two versions":               {keybearer.Caller{}, "Hooli.Echo@1\x00", alice, keybearer.BadRequest},
	} {
		_, err := l.box.Execute(t.Context(), l.broker.As(c.caller), workers.Call{Tool: c.tool, User: c.user})
		if keybearer.KindOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	if len(l.worker.History()) != 0 {
		t.Errorf("got %d calls, want none", len(l.worker.History()))
	}
	limited := l.broker.As(keybearer.Caller{Providers: []keybearer.ProviderID{"atlassian"}})
	for _, tool := range must(l.box.Tools(t.Context(), limited, workers.Filter{}))(t) {
		if tool.Definition.Requirements.Authorization != nil {
			t.Errorf("%s is listed for a key that cannot use it", tool.Definition.QualifiedName)
		}
	}
}

// A link that a worker gives is one that people can click on without harm, or it is not passed on.
func TestLinksOfWorkersAreWebAddresses(t *testing.T) {
	l := open(t, options{})
	l.connect("read")
	for given, ours := range map[string]bool{"https://worker.example.com/consent": false, "javascript:alert(1)": true, "": true} {
		answer := map[string]any{"success": false, "output": map[string]any{"requires_authorization": map[string]any{"authorization_url": given, "scopes": []string{"write"}}}}
		l.worker.Answer(must(json.Marshal(answer))(t))
		done := l.call("Hooli.More", nil)
		a := done.Output.Authorization
		if done.Success || a == nil || strings.HasPrefix(a.URL, publicURL+"/start/") != ours || !ours && a.URL != given {
			t.Errorf("%q: got %+v", given, a)
		}
	}
}

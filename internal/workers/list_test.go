package workers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/internal/workertest"
	"github.com/keybearer/keybearer/secret"
)

func (l *lab) names(f workers.Filter) (names []string) {
	l.t.Helper()
	for _, tool := range must(l.box.Tools(l.t.Context(), l.app, f))(l.t) {
		names = append(names, tool.Definition.FullyQualifiedName)
	}
	return names
}

// second registers another worker beside the lab's.
func (l *lab) second(id keybearer.WorkerID) *workertest.Worker {
	l.t.Helper()
	w := workertest.Start(l.t, workerSecret)
	must(l.admin.CreateWorker(l.t.Context(), keybearer.WorkerDraft{ID: id, URI: w.URL, Secret: secret.New(workerSecret), Retry: number(0)}))(l.t)
	return w
}

func TestToolsAreListedAndFormatted(t *testing.T) {
	l := open(t, options{})
	tools := must(l.box.Tools(t.Context(), l.app, workers.Filter{}))(t)
	if len(tools) != len(workertest.Hooli()) {
		t.Fatalf("got %d tools, want %d", len(tools), len(workertest.Hooli()))
	}
	tool := must(l.box.Tool(t.Context(), l.app, "Hooli_Big", ""))(t)
	d := tool.Definition
	if d.QualifiedName != "Hooli.Big" || d.FullyQualifiedName != "Hooli.Big@1.0.0" || d.Worker != "hooli-tools" || d.Toolkit.Version != "1.0.0" {
		t.Errorf("got %+v", d)
	}
	const schema = `{"additionalProperties":false,"properties":{"bytes":{"type":"integer"}},"required":["bytes"],"type":"object"}`
	if got := string(tool.InputSchema); got != schema {
		t.Errorf("got the schema %s, want %s", got, schema)
	}
	if got, want := string(tool.OpenAI()), `{"type":"function","function":{"name":"Hooli_Big","description":"Says much.","parameters":`+schema+`}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := string(tool.Anthropic()), `{"name":"Hooli_Big","description":"Says much.","input_schema":`+schema+`}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, c := range map[string]struct {
		filter workers.Filter
		want   []string
	}{
		"toolkit":    {workers.Filter{Toolkit: "hOOLI", Search: "big"}, []string{"Hooli.Big@1.0.0"}},
		"no toolkit": {workers.Filter{Toolkit: "Jira"}, nil},
		"search":     {workers.Filter{Search: "projects LISTS"}, []string{"Hooli.ListProjects@1.0.0"}},
		"operations": {workers.Filter{Metadata: `{"operations":["CREATE"]}`}, []string{"Hooli.Create@1.0.0"}},
		"none of":    {workers.Filter{Metadata: `{"operations":{"none_of":["create"]},"service_domains":["project_management"],"read_only":true}`}, []string{"Hooli.Big@1.0.0", "Hooli.ListProjects@1.0.0"}},
		"all of":     {workers.Filter{Metadata: `{"operations":{"all_of":["create","read"]}}`}, nil},
		"any of":     {workers.Filter{Metadata: `{"operations":{"any_of":["create","delete"]}}`}, []string{"Hooli.Create@1.0.0"}},
		"booleans":   {workers.Filter{Metadata: `{"read_only":false,"idempotent":true}`}, []string{"Hooli.Echo@1.0.0"}},
		"unknown":    {workers.Filter{Metadata: `{"open_world":true}`}, nil},
		"extras":     {workers.Filter{Metadata: `{"extras":{"team":"nucleus"},"operations":["create"]}`}, []string{"Hooli.Create@1.0.0"}},
		"no extras":  {workers.Filter{Metadata: `{"extras":{"team":"other"}}`}, nil},
	} {
		if diff := cmp.Diff(c.want, l.names(c.filter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, bad := range []string{`{`, `[]`, `{"colour":"red"}`, `{"operations":{"some_of":[]}}`, `{"read_only":"yes"}`, strings.Repeat(" ", 20<<10)} {
		_, err := l.box.Tools(t.Context(), l.app, workers.Filter{Metadata: bad})
		wantKind(t, err, keybearer.BadRequest)
	}
}

func TestListIsKeptAndAskedForOnceByMany(t *testing.T) {
	l := open(t, options{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := l.box.Tools(t.Context(), l.app, workers.Filter{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := l.worker.Lists(); got != 1 {
		t.Errorf("the worker was asked %d times, want once", got)
	}
	l.box.Forget()
	l.names(workers.Filter{})
	if got := l.worker.Lists(); got != 2 {
		t.Errorf("the worker was asked %d times, want once more after a forget", got)
	}
}

// A list that changes between two calls is told, and the next call is right.
func TestListThatChanges(t *testing.T) {
	l := open(t, options{toolbox: func(c *workers.Config) { c.ListFor, c.RunEvery = time.Millisecond, time.Millisecond }})
	first := l.names(workers.Filter{})
	changed, stop := l.box.Changed()
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = l.box.Run(ctx) })
	defer running.Wait()
	defer cancel()

	l.worker.Withdraw("Echo")
	<-changed // Run looks by itself, since somebody listens
	if got := l.names(workers.Filter{}); len(got) != len(first)-1 {
		t.Errorf("got %d tools, want one less than %d", len(got), len(first))
	}
	_, err := l.box.Execute(t.Context(), l.app, workers.Call{Tool: "Hooli.Echo", User: alice})
	wantKind(t, err, keybearer.NotFound)
}

// A tool that went between the list and the call is found out by the call, and then the list is right.
func TestToolThatWentBetweenListAndCall(t *testing.T) {
	l := open(t, options{})
	l.names(workers.Filter{})
	l.worker.Withdraw("Echo")
	wantError(t, l.call("Hooli.Echo", nil), api.ToolFatal, "status 500")
	_, err := l.box.Execute(t.Context(), l.app, workers.Call{Tool: "Hooli.Echo", User: alice})
	wantKind(t, err, keybearer.NotFound)
}

func TestTwoWorkersWithTheSameTool(t *testing.T) {
	l := open(t, options{})
	other := l.second("a-first-by-id")
	if got := l.names(workers.Filter{AllVersions: true}); len(got) != len(workertest.Hooli()) {
		t.Errorf("got %d tools, want each once", len(got))
	}
	l.call("Hooli.Echo", nil)
	if len(other.History()) != 1 || len(l.worker.History()) != 0 {
		t.Error("want the first by id called")
	}
	if !strings.Contains(l.kept.logged(), "two workers have the same tool") {
		t.Error("the operator is not told")
	}

	tool := workertest.Hooli()[0]
	tool.Tool.Toolkit.Version = "1.10.0"
	other.Offer(tool.Tool, tool.Run)
	l.box.Forget()
	want := []string{"Hooli.Echo@1.10.0", "Hooli.Echo@1.0.0"}
	if diff := cmp.Diff(want, l.names(workers.Filter{AllVersions: true, Search: "echo"})); diff != "" {
		t.Errorf("versions live side by side (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:1], l.names(workers.Filter{Search: "echo"})); diff != "" {
		t.Errorf("the latest is listed (-want +got):\n%s", diff)
	}
	l.call("Hooli.Echo@1.0.0", nil)
	if len(l.worker.History()) != 1 {
		t.Error("want the worker of the version called that was asked for")
	}
	l.call("Hooli.Echo", nil)
	if len(other.History()) != 2 {
		t.Error("want the latest version called")
	}
}

// A worker that is away or slow from the beginning costs the others nothing.
func TestOneBadWorkerCostsTheOthersNothing(t *testing.T) {
	l := open(t, options{})
	l.second("b-down").Down()
	l.second("c-garbage").List(json.RawMessage(`{"detail":"no list"}`))
	wrong := l.second("d-partly")
	wrong.List(json.RawMessage(`[{"name":"a b","toolkit":{"name":"X"}}, 7, {"name":"Good","toolkit":{"name":"Partly","version":"0.1"},"input":{"parameters":null},
		"requirements":{"authorization":null,"secrets":null,"metadata":null},"metadata":null}]`))
	got := l.names(workers.Filter{})
	if len(got) != len(workertest.Hooli())+1 || got[len(got)-1] != "Partly.Good@0.1" {
		t.Errorf("got %v, want the lab's and the good one of the bad list", got)
	}
	if tools := must(l.box.WorkerTools(t.Context(), l.admin, "d-partly"))(t); len(tools) != 1 {
		t.Errorf("got %d tools, want 1", len(tools))
	}
	_, err := l.box.WorkerTools(t.Context(), l.admin, "b-down")
	wantKind(t, err, keybearer.Unavailable)
}

func TestRequirementsAreTold(t *testing.T) {
	l := open(t, options{})
	tool := must(l.box.Tool(t.Context(), l.app, "Hooli.ListProjects", ""))(t)
	got := must(l.box.ToolFor(t.Context(), l.app, tool, ""))(t).Requirements
	if got.Met || got.Authorization.Status != "active" || got.Authorization.TokenStatus != "" {
		t.Errorf("got %+v with %+v", got, got.Authorization)
	}
	if got := must(l.box.ToolFor(t.Context(), l.app, tool, alice))(t).Requirements; got.Met || got.Authorization.TokenStatus != api.NotStarted {
		t.Errorf("got %+v with %+v", got, got.Authorization)
	}
	ask := []api.ToolVersion{{ToolName: "Hooli.ListProjects"}, {ToolName: "Hooli_Create"}, {ToolName: "Hooli.Notify"}, {ToolName: "Hooli.Echo"}}
	needs := must(l.box.Requirements(t.Context(), l.app, ask, alice, true))(t)
	item := needs.Authorization.Items["hooli"]
	if needs.Met || item.Met || item.TokenStatus != api.Pending || item.URL == "" || len(item.ToolNames) != 2 || needs.Secrets.Items["HOOK"].Met {
		t.Fatalf("got %+v", needs)
	}
	l.consent(keybearer.AuthorizationID(item.AuthorizationID))
	must(l.admin.PutToolSecret(t.Context(), "HOOK", secret.New("a value"), ""))(t)
	needs = must(l.box.Requirements(t.Context(), l.app, ask, alice, false))(t)
	if !needs.Met || !needs.Authorization.Items["hooli"].Met || !needs.Secrets.Items["HOOK"].Met {
		t.Errorf("got %+v, want all met", needs)
	}
	if got := must(l.box.ToolFor(t.Context(), l.app, tool, alice))(t).Requirements; !got.Met || got.Authorization.TokenStatus != api.Completed {
		t.Errorf("got %+v with %+v, want it met", got, got.Authorization)
	}
	if tool.Definition.Requirements.Met {
		t.Error("the shared definition was changed")
	}
	a := must(l.box.Authorize(t.Context(), l.app, workers.Call{Tool: "Hooli.ListProjects", User: alice}))(t)
	if a.Status != keybearer.AuthorizationCompleted || a.Token == nil {
		t.Errorf("got %+v, want it completed", a)
	}
}

func BenchmarkFiveThousandTools(b *testing.B) {
	l := open(b, options{})
	var list []api.WorkerTool
	for i := range 5000 {
		t := workertest.Hooli()[i%8].Tool
		t.Name = fmt.Sprintf("%s%d", t.Name, i)
		list = append(list, t)
	}
	l.worker.List(must(json.Marshal(list))(b))
	l.names(workers.Filter{})
	for name, f := range map[string]workers.Filter{
		"all": {}, "search": {Search: "projects lists"}, "filter": {Metadata: `{"operations":["read"],"read_only":true}`},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := l.box.Tools(b.Context(), l.app, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("after a change", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			list[0].Description = fmt.Sprint(i)
			l.worker.List(must(json.Marshal(list))(b))
			l.box.Forget()
			b.StartTimer()
			if _, err := l.box.Tools(b.Context(), l.app, workers.Filter{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

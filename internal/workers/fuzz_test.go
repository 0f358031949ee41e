package workers_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/internal/workertest"
)

// Whatever a worker calls a list of tools, what is listed is whole, and can be told to models.
func FuzzToolList(f *testing.F) {
	whole := must(json.Marshal([]api.WorkerTool{workertest.Hooli()[0].Tool, workertest.Hooli()[1].Tool}))(f)
	f.Add(whole)
	f.Add([]byte(`[]`))
	f.Add([]byte(`[{"name":"A","toolkit":{"name":"B"},"input":{"parameters":[{"name":"x","value_schema":{"val_type":"array","inner_val_type":"json",
		"inner_properties":{"y":{"val_type":"json","properties":{"z":{"val_type":"string","enum":["a"],"nullable":true}}}}}}]}}]`))
	f.Add([]byte(`[{"name":"A","toolkit":{"name":"B","version":"1.0.0-rc.1+x"},"requirements":{"authorization":{"id":null,"provider_id":"x","oauth2":{"scopes":null}},
		"secrets":[{"key":"S"}],"metadata":[{"key":"client_id"}]},"metadata":{"behavior":{"read_only":true},"extras":{"a":{"b":1}}}}]`))
	f.Fuzz(func(t *testing.T, list []byte) {
		tools, err := workers.ReadTools(list)
		if err != nil && len(tools) > 0 {
			t.Errorf("got %d tools with %v", len(tools), err)
		}
		for _, tool := range tools {
			d := tool.Definition
			if d.Name == "" || d.QualifiedName != d.Toolkit.Name+"."+d.Name || strings.ContainsAny(d.FullyQualifiedName, " /\n") || d.Input.Parameters == nil {
				t.Errorf("got %+v", d)
			}
			for _, text := range []json.RawMessage{tool.InputSchema, tool.OpenAI(), tool.Anthropic()} {
				var object map[string]any
				if err := json.Unmarshal(text, &object); err != nil {
					t.Errorf("%q: %v", text, err)
				}
			}
		}
	})
}

// Whatever a worker answers, there is an execution that can be told, and it tells of either success or failure.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"execution_id":"x","finished_at":"2026-01-01T00:00:00.000000","duration":1.5,"success":true,"output":{"value":{"a":1},"logs":[{"level":"info","message":"m","subtype":null}],"error":null,"requires_authorization":null}}`,
		`{"success":false,"output":{"value":null,"error":{"message":"m","kind":"TOOL_RUNTIME_RETRY","developer_message":null,"can_retry":true,"additional_prompt_content":"p","retry_after_ms":null,"stacktrace":"s","status_code":null,"extra":null}}}`,
		`{"success":false,"output":{"requires_authorization":{"authorization_url":"https://a.example/","authorization_id":"x","scopes":["a"],"status":"pending"}}}`,
		`{"success":true,"output":null}`, `null`, `[]`, `{"success":true,"output":{"value":`, `{"duration":1e400}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		r, err := workers.ReadResult(answer)
		if err != nil {
			return
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("it cannot be told: %v", err)
		}
		e := r.Output.Error
		if e != nil && (e.Kind == "" || e.Message == "" || r.Success) {
			t.Errorf("got %+v with %+v", r, e)
		}
		if !r.Success && e == nil && r.Output.RequiresAuthorization == nil {
			t.Errorf("got %+v, want success or a failure that says why", r)
		}
	})
}

// A worker's answer that is no answer of the protocol is a failure of the tool that can be told, whatever it is.
func TestOddAnswersAreFailures(t *testing.T) {
	l := open(t, options{})
	for _, answer := range []string{` `, `null`, `[]`, `"x"`, `{"success":true,"output":{"value":`, `{"success":"yes"}`, `{}`, `{"duration":1e400,"success":true}`} {
		l.worker.Answer([]byte(answer))
		done := l.call("Hooli.Echo", nil)
		if done.Success || done.Output.Error == nil || done.Output.Error.Message == "" {
			t.Errorf("%s: got %+v", answer, done)
		}
	}
	l.worker.Answer([]byte(`{"success":true,"output":{"value":null,"error":null,"logs":null}}`))
	if done := l.call("Hooli.Echo", nil); !done.Success || done.Output.Value != nil {
		t.Errorf("got %+v, want success without a value", done)
	}
}

// Whatever a filter is, it selects among what there is, or is refused.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{``, `{"operations":["read"]}`, `{"service_domains":{"all_of":["a"],"none_of":["b"]},"read_only":true,"extras":{"team":"nucleus"}}`, `{`, `[]`, `null`, `{"operations":null}`} {
		f.Add(seed, "big", "Hooli")
	}
	l := open(f, options{})
	all := must(l.box.Tools(f.Context(), l.app, workers.Filter{}))(f)
	f.Fuzz(func(t *testing.T, metadata, search, toolkit string) {
		got, err := l.box.Tools(t.Context(), l.app, workers.Filter{Metadata: metadata, Search: search, Toolkit: toolkit})
		if err != nil && keybearer.KindOf(err) != keybearer.BadRequest {
			t.Errorf("got %v, want bad_request", err)
		}
		if len(got) > len(all) {
			t.Errorf("got %d tools of %d", len(got), len(all))
		}
	})
}

// Whatever a name is, it finds the tool that it names, or none.
func FuzzToolName(f *testing.F) {
	for _, seed := range []string{"Hooli.Echo", "hooli_echo@1.0.0", "Hooli.Echo@", "@", "", "Hooli..Echo", "Hooli.Echo@1@2", strings.Repeat("a", 300)} {
		f.Add(seed, "")
		f.Add(seed, "1.0.0")
	}
	l := open(f, options{})
	f.Fuzz(func(t *testing.T, name, version string) {
		tool, err := l.box.Tool(t.Context(), l.app, name, version)
		if err != nil {
			if kind := keybearer.KindOf(err); kind != keybearer.NotFound && kind != keybearer.BadRequest {
				t.Errorf("got %v", err)
			}
			return
		}
		plain, _, _ := strings.Cut(name, "@")
		if !strings.EqualFold(strings.ReplaceAll(plain, ".", "_"), tool.FormattedName()) {
			t.Errorf("%q gave %s", name, tool.Definition.QualifiedName)
		}
	})
}

package tool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
	"github.com/keybearer/keybearer/tool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shared = "what both sides know"

type greeting struct {
	Name  string   `json:"name" jsonschema:"whom to greet"`
	Times int      `json:"times,omitempty" jsonschema:"how often"`
	Tone  string   `json:"tone,omitempty" jsonschema:"in which tone"`
	Tags  []string `json:"tags,omitempty"`
	Place *place   `json:"place,omitempty"`
}

type place struct {
	City string `json:"city"`
}

type greeted struct {
	Text string `json:"text" jsonschema:"what was said"`
	User string `json:"user"`
	With string `json:"with"`
}

// kit are tools that do what the tests need.
func kit(t testing.TB) *tool.Kit {
	t.Helper()
	greet := func(_ context.Context, c *tool.Call, in greeting) (greeted, error) {
		c.Log("info", "greeting")
		return greeted{Text: strings.TrimSpace(strings.Repeat(in.Tone+" "+in.Name+" ", in.Times)), User: c.User(), With: c.Token().Reveal() + c.Secret("HOOK").Reveal() + c.Metadata("client_id")}, nil
	}
	fail := func(_ context.Context, _ *tool.Call, in struct {
		How string `json:"how"`
	},
	) (any, error) {
		switch in.How {
		case "retry":
			return nil, tool.Retry("say please", "not like this")
		case "upstream":
			return nil, tool.Upstream(&http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"7"}}})
		case "more":
			return nil, tool.NeedMore("write")
		case "panic":
			panic("with " + shared)
		case "plain":
			return nil, errors.New("it broke")
		case "big":
			return strings.Repeat("x", 6<<20), nil
		case "nothing":
			return nil, nil
		}
		return func() {}, nil
	}
	wait := func(ctx context.Context, _ *tool.Call, _ struct{}) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return &tool.Kit{Name: "Hooli", Version: "1.2.0", Description: "Tools of Hooli.", Tools: []*tool.Tool{
		tool.New("Greet", "Greets somebody.", greet, tool.Title("Greet"), tool.ReadOnly(), tool.Idempotent(), tool.Domains("manners"), tool.Operations("read"),
			tool.Default("times", 1), tool.Values("tone", "kind", "curt"), tool.Default("tone", "kind")),
		tool.New("Lend", "Says what it was lent.", greet, tool.Requires(tool.Provider("hooli", "read")), tool.Secret("HOOK"), tool.Metadata("client_id"), tool.Default("times", 1), tool.Destructive()),
		tool.New("Fail", "Fails.", fail, tool.Deprecated("nobody needs it")),
		tool.New("Wait", "Waits.", wait),
	}}
}

// engine is what calls a worker.
type engine struct {
	t   testing.TB
	url string
}

func start(t testing.TB, k *tool.Kit) engine {
	s := httptest.NewServer(tool.WorkerHandler(k, secret.New(shared)))
	t.Cleanup(s.Close)
	return engine{t, s.URL}
}

// signed is a token as engines make it.
func signed(t testing.TB, key string, method jwt.SigningMethod, change func(jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{"aud": "worker", "ver": "1", "exp": time.Now().Add(time.Minute).Unix()}
	if change != nil {
		change(claims)
	}
	var with any = []byte(key)
	if method == jwt.SigningMethodNone {
		with = jwt.UnsafeAllowNoneSignatureType
	}
	text, err := jwt.NewWithClaims(method, claims).SignedString(with)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (e engine) send(method, path, token, body string) (int, string) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), method, e.url+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (e engine) invoke(name, inputs, context string) api.InvocationResult {
	e.t.Helper()
	status, text := e.send("POST", "/worker/tools/invoke", signed(e.t, shared, jwt.SigningMethodHS256, nil),
		fmt.Sprintf(`{"run_id":"r","execution_id":"te_1","created_at":"2026-11-28T10:00:00","tool":{"name":%q,"toolkit":"Hooli"},"inputs":%s,"context":%s}`, name, inputs, context))
	if status != http.StatusOK {
		e.t.Fatalf("got %d: %s", status, text)
	}
	var out api.InvocationResult
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		e.t.Fatal(err)
	}
	return out
}

func TestToolIsDescribedToEngines(t *testing.T) {
	e := start(t, kit(t))
	if status, text := e.send("GET", "/worker/health", "", ""); status != 200 || text != `{"status":"ok","tool_count":"4"}` {
		t.Errorf("health: got %d %s", status, text)
	}
	_, text := e.send("GET", "/worker/tools", signed(t, shared, jwt.SigningMethodHS256, nil), "")
	var all []api.WorkerTool
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	yes := new(true)
	want := []api.ToolParameter{
		{Name: "name", Description: "whom to greet", Required: true, ValueSchema: api.ValueSchema{ValType: "string"}, Inferrable: yes},
		{Name: "times", Description: "how often", ValueSchema: api.ValueSchema{ValType: "integer"}, Inferrable: yes},
		{Name: "tone", Description: "in which tone", ValueSchema: api.ValueSchema{ValType: "string", Enum: []string{"kind", "curt"}}, Inferrable: yes},
		{Name: "tags", ValueSchema: api.ValueSchema{ValType: "array", InnerValType: "string", Nullable: true}, Inferrable: yes},
		{Name: "place", ValueSchema: api.ValueSchema{
			ValType: "json", Nullable: true, Properties: map[string]api.ValueSchema{"city": {ValType: "string"}}, RequiredKeys: []string{"city"},
		}, Inferrable: yes},
	}
	if diff := cmp.Diff(want, all[0].Input.Parameters); diff != "" {
		t.Errorf("the parameters (-want +got):\n%s", diff)
	}
	if all[0].FullyQualifiedName != "Hooli.Greet" || all[0].Toolkit.Version != "1.2.0" || !*all[0].Metadata.Behavior.ReadOnly {
		t.Errorf("got %+v", all[0])
	}
	if r := all[1].Requirements; r.Authorization == nil || r.Authorization.ID != "hooli" || r.Secrets[0].Key != "HOOK" || r.Metadata[0].Key != "client_id" {
		t.Errorf("got the requirements %+v", r)
	}
	if all[2].DeprecationMessage == "" {
		t.Error("a deprecated tool does not say so")
	}
}

func TestToolGetsWhatTheEngineLends(t *testing.T) {
	out := start(t, kit(t)).invoke("lend", `{"name":"Alice","times":null}`,
		`{"user_id":"alice","authorization":{"token":"TOKEN-","user_info":{}},"secrets":[{"key":"HOOK","value":"HOOK-"}],"metadata":[{"key":"client_id","value":"CLIENT"}]}`)
	var got greeted
	if err := json.Unmarshal(out.Output.Value, &got); err != nil || !out.Success || out.ExecutionID != "te_1" {
		t.Fatalf("got %+v, %v", out, err)
	}
	if diff := cmp.Diff(greeted{Text: "Alice", User: "alice", With: "TOKEN-HOOK-CLIENT"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(out.Output.Logs) != 1 || out.Output.Logs[0].Message != "greeting" {
		t.Errorf("got the logs %v", out.Output.Logs)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	out := start(t, kit(t)).invoke("Greet", `{"name":"Alice"}`, `{}`)
	if !strings.Contains(string(out.Output.Value), `"kind Alice"`) {
		t.Errorf("got %s", out.Output.Value)
	}
}

func TestLargeNumbersArriveAsTheyWereSent(t *testing.T) {
	var got int64
	k := &tool.Kit{Name: "Numbers", Tools: []*tool.Tool{tool.New("Take", "Takes.", func(_ context.Context, _ *tool.Call, in struct {
		ID int64 `json:"id"`
	},
	) (string, error) {
		got = in.ID
		return "", nil
	})}}
	e := start(t, k)
	status, text := e.send("POST", "/worker/tools/invoke", signed(t, shared, jwt.SigningMethodHS256, nil), `{"tool":{"name":"Take"},"inputs":{"id":9007199254740993},"context":{}}`)
	if status != http.StatusOK || got != 9007199254740993 {
		t.Errorf("got %d, %s", got, text)
	}
}

func TestKitsThatCannotBeServed(t *testing.T) {
	hi := tool.New("Hi", "", func(context.Context, *tool.Call, struct{}) (any, error) { return nil, nil })
	hI := tool.New("hI", "", func(context.Context, *tool.Call, struct{}) (any, error) { return nil, nil })
	for name, k := range map[string]*tool.Kit{
		"a wrong name": {Name: "not valid!", Tools: []*tool.Tool{hi}}, "no tools": {Name: "None"}, "two of one name": {Name: "Twice", Tools: []*tool.Tool{hi, hI}},
	} {
		if err := tool.Run(t.Context(), k, tool.World{Stdin: io.NopCloser(strings.NewReader("")), Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }}); err == nil {
			t.Errorf("%s: served", name)
		}
	}
}

func TestNetworkFailuresAreCalledSo(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	k := &tool.Kit{Name: "Net", Tools: []*tool.Tool{tool.New("Get", "Gets.", func(ctx context.Context, c *tool.Call, _ struct{}) (any, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, gone.URL, nil)
		if err != nil {
			return nil, err
		}
		_, err = c.HTTP().Do(req)
		return nil, err
	})}}
	_, text := start(t, k).send("POST", "/worker/tools/invoke", signed(t, shared, jwt.SigningMethodHS256, nil), `{"tool":{"name":"Get"},"inputs":{},"context":{}}`)
	if !strings.Contains(text, api.ToolNetworkUnreachable) {
		t.Errorf("got %s", text)
	}
}

func TestArgumentsThatCannotBeRightAreForTheModel(t *testing.T) {
	e := start(t, kit(t))
	for inputs, says := range map[string]string{
		`{}`:                              "name",
		`{"name":7}`:                      "name",
		`{"name":"Alice","tone":"loud"}`:  "loud",
		`{"name":"Alice","shoe_size":44}`: "shoe_size",
		`{"name":"A","place":{"city":1}}`: "city",
	} {
		err := e.invoke("Greet", inputs, `{}`).Output.Error
		if err == nil || err.Kind != api.ToolBadInput || !err.CanRetry || !strings.Contains(err.Message, says) {
			t.Errorf("%s: got %+v, want it to say %s", inputs, err, says)
		}
	}
}

func TestFailuresKeepTheirKind(t *testing.T) {
	e := start(t, kit(t))
	for how, want := range map[string]api.ToolError{
		"retry":    {Kind: api.ToolRetry, Message: "not like this", AdditionalPromptContent: "say please", CanRetry: true},
		"upstream": {Kind: api.ToolUpstreamRateLimit, Message: "the service answered 429 Too Many Requests", CanRetry: true, StatusCode: 429, RetryAfterMS: 7000},
		"plain":    {Kind: api.ToolFatal, Message: "it broke"},
		"panic":    {Kind: api.ToolFatal, Message: "the tool Fail has a defect and was ended", DeveloperMessage: "a panic with a value of type string"},
		"big":      {Kind: api.ToolBadOutput, Message: "the tool gave 6291458 bytes, more than the 5242880 that a result may have", AdditionalPromptContent: "Ask for less: fewer items, or a narrower search."},
		"func":     {Kind: api.ToolBadOutput, Message: "what the tool gave cannot be JSON", DeveloperMessage: "json: unsupported type: func()"},
	} {
		out := e.invoke("Fail", `{"how":"`+how+`"}`, `{}`)
		if out.Success || out.Output.Error == nil {
			t.Errorf("%s: got %+v", how, out)
			continue
		}
		got := *out.Output.Error
		if how == "panic" && (got.Stacktrace == "" || strings.Contains(got.Stacktrace, shared)) {
			t.Errorf("got the stack %q, want one without what was in the panic", got.Stacktrace)
		}
		got.Stacktrace = ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", how, diff)
		}
	}
	if more := e.invoke("Fail", `{"how":"more"}`, `{}`).Output.RequiresAuthorization; more == nil || more.Scopes[0] != "write" {
		t.Errorf("got %+v, want the scopes that are missing", more)
	}
	if out := e.invoke("Fail", `{"how":"nothing"}`, `{}`); string(out.Output.Value) != `""` || !out.Success {
		t.Errorf("nothing: got %+v", out)
	}
}

func TestOnlyEnginesWithTheSecretGetIn(t *testing.T) {
	e := start(t, kit(t))
	for name, token := range map[string]string{
		"none":              "",
		"another secret":    signed(t, "another", jwt.SigningMethodHS256, nil),
		"another algorithm": signed(t, shared, jwt.SigningMethodHS512, nil),
		"no algorithm":      signed(t, shared, jwt.SigningMethodNone, nil),
		"another audience":  signed(t, shared, jwt.SigningMethodHS256, func(c jwt.MapClaims) { c["aud"] = "actor" }),
		"no audience":       signed(t, shared, jwt.SigningMethodHS256, func(c jwt.MapClaims) { delete(c, "aud") }),
		"another version":   signed(t, shared, jwt.SigningMethodHS256, func(c jwt.MapClaims) { c["ver"] = "2" }),
		"an ended one":      signed(t, shared, jwt.SigningMethodHS256, func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() }),
		"no token at all":   "a.b.c",
	} {
		for _, path := range []string{"GET /worker/tools", "POST /worker/tools/invoke"} {
			method, at, _ := strings.Cut(path, " ")
			if status, text := e.send(method, at, token, "{}"); status != http.StatusUnauthorized || strings.Contains(text, shared) {
				t.Errorf("%s with %s: got %d %s", path, name, status, text)
			}
		}
	}
	open := httptest.NewServer(tool.WorkerHandler(kit(t), secret.String{}))
	defer open.Close()
	if status, _ := (engine{t, open.URL}).send("GET", "/worker/tools", signed(t, " ", jwt.SigningMethodHS256, nil), ""); status != http.StatusUnauthorized {
		t.Errorf("a worker without a secret answered %d", status)
	}
}

func TestUnknownToolsAndVersionsAreNotFound(t *testing.T) {
	e := start(t, kit(t))
	for _, named := range []string{`{"name":"None","toolkit":"Hooli"}`, `{"name":"Greet","toolkit":"Other"}`, `{"name":"Greet","toolkit":"Hooli","version":"9.9.9"}`} {
		if status, text := e.send("POST", "/worker/tools/invoke", signed(t, shared, jwt.SigningMethodHS256, nil), `{"tool":`+named+`,"inputs":{},"context":{}}`); status != http.StatusNotFound {
			t.Errorf("%s: got %d %s", named, status, text)
		}
	}
	if status, _ := e.send("POST", "/worker/tools/invoke", signed(t, shared, jwt.SigningMethodHS256, nil), `{"tool":`); status != http.StatusUnprocessableEntity {
		t.Errorf("half an invocation: got %d", status)
	}
}

func TestCallThatIsGivenUpEnds(t *testing.T) {
	ended := make(chan struct{})
	k := &tool.Kit{Name: "Slow", Tools: []*tool.Tool{tool.New("Wait", "Waits.", func(ctx context.Context, _ *tool.Call, _ struct{}) (string, error) {
		<-ctx.Done()
		close(ended)
		return "", ctx.Err()
	})}}
	s := httptest.NewServer(tool.WorkerHandler(k, secret.New(shared)))
	defer s.Close()
	ctx, giveUp := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer giveUp()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/worker/tools/invoke", strings.NewReader(`{"tool":{"name":"Wait"},"inputs":{},"context":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+signed(t, shared, jwt.SigningMethodHS256, nil))
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Error("the call was answered")
	}
	<-ended
}

func TestTokenGoesToTheHostsOfTheAPIOnly(t *testing.T) {
	var seen []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}))
	defer api.Close()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect to another host was followed, with %q", r.Header.Get("Authorization"))
	}))
	defer other.Close()
	type in struct {
		URL string `json:"url"`
	}
	k := &tool.Kit{Name: "Fetch", Tools: []*tool.Tool{tool.New("Get", "Gets.", func(ctx context.Context, c *tool.Call, in in) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.URL, nil)
		if err != nil {
			return 0, err
		}
		res, err := c.HTTP().Do(req)
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}, tool.Requires(tool.Provider("hooli").At("api.hooli.example", "*.hooli.test", "127.0.0.1")))}}
	s := httptest.NewServer(tool.WorkerHandler(k, secret.New(shared)))
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	get := func(url, lent string) api2 {
		status, text := (engine{t, s.URL}).send("POST", "/worker/tools/invoke", signed(t, shared, jwt.SigningMethodHS256, nil),
			fmt.Sprintf(`{"tool":{"name":"Get"},"inputs":{"url":%q},"context":{"authorization":%s}}`, url, lent))
		if status != http.StatusOK {
			t.Fatal(text)
		}
		var out api2
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	const bearer, basic = `{"token":"TOKEN"}`, `{"token":"TOKEN","username":"bot@hooli.example"}`
	get(api.URL, bearer)
	get(api.URL, basic)
	if out := get(api.URL+"?to="+other.URL, bearer); string(out.Output.Value) != "302" {
		t.Errorf("a redirect: got %s", out.Output.Value)
	}
	if diff := cmp.Diff([]string{"Bearer TOKEN", "Basic Ym90QGhvb2xpLmV4YW1wbGU6VE9LRU4=", "Bearer TOKEN"}, seen); diff != "" {
		t.Errorf("what the API got (-want +got):\n%s", diff)
	}
	for _, url := range []string{"http://api.hooli.example/", "http://localhost:1/", "https://evil.example/", "https://hooli.test/", "https://api.hooli.example.evil.example/"} {
		if out := get(url, bearer); out.Output.Error == nil || !strings.Contains(out.Output.Error.Message, "the user's token is not") {
			t.Errorf("%s: got %+v", url, out.Output)
		}
	}
}

func TestTokenStaysOffThisMachineUnlessItIsDeclared(t *testing.T) {
	local := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the token was sent to this machine") }))
	defer local.Close()
	k := &tool.Kit{Name: "Fetch", Tools: []*tool.Tool{tool.New("Get", "Gets.", func(ctx context.Context, c *tool.Call, _ struct{}) (any, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, local.URL, nil)
		if err != nil {
			return nil, err
		}
		_, err = c.HTTP().Do(req)
		return nil, err
	}, tool.Requires(tool.Provider("hooli")))}}
	_, text := start(t, k).send("POST", "/worker/tools/invoke", signed(t, shared, jwt.SigningMethodHS256, nil), `{"tool":{"name":"Get"},"inputs":{},"context":{"authorization":{"token":"TOKEN"}}}`)
	if !strings.Contains(text, "the user's token is not for 127.0.0.1") {
		t.Errorf("got %s", text)
	}
}

type api2 struct {
	Output struct {
		Value json.RawMessage
		Error *struct{ Message string }
	}
}

func TestTypesThatCannotBeAToolAreFoundAtStart(t *testing.T) {
	for name, make := range map[string]func(){
		"name": func() {
			tool.New("two words", "", func(context.Context, *tool.Call, struct{}) (any, error) { return nil, nil })
		},
		"input": func() {
			tool.New("Text", "", func(context.Context, *tool.Call, string) (any, error) { return nil, nil })
		},
		"default": func() {
			tool.New("T", "", func(context.Context, *tool.Call, greeting) (any, error) { return nil, nil }, tool.Default("times", "once"))
		},
		"values": func() {
			tool.New("T", "", func(context.Context, *tool.Call, greeting) (any, error) { return nil, nil }, tool.Values("shoe", "44"))
		},
		"two": func() {
			tool.New("T", "", func(context.Context, *tool.Call, greeting) (any, error) { return nil, nil }, tool.Requires(tool.Provider("a")), tool.Requires(tool.Provider("b")))
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			make()
		}()
	}
}

func FuzzInvocation(f *testing.F) {
	f.Add([]byte(`{"tool":{"name":"Greet","toolkit":"Hooli"},"inputs":{"name":"A","place":{"city":"B"}},"context":{"authorization":{"token":"t"}}}`))
	f.Add([]byte(`{"tool":{"name":"Fail"},"inputs":{"how":null},"context":{}}`))
	f.Add([]byte(`{"inputs":[],"context":null}`))
	k := kit(f)
	k.Tools = k.Tools[:3] // not the one that waits
	handler := tool.WorkerHandler(k, secret.New(shared))
	token := signed(f, shared, jwt.SigningMethodHS256, func(c jwt.MapClaims) { c["exp"] = time.Now().Add(24 * time.Hour).Unix() })
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequest(http.MethodPost, "/worker/tools/invoke", bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		if !json.Valid(rec.Body.Bytes()) || rec.Code >= 500 {
			t.Errorf("got %d %s", rec.Code, rec.Body)
		}
	})
}

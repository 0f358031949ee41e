package interop_test

import (
	"encoding/json"
	"testing"
)

// published is one of the published clients, as an app uses it.
type published struct {
	name   string
	app    func(t *testing.T, args ...string) command // the seeds' app code
	driver func(t *testing.T) command                 // calls methods by name
	calls  spelling
}

// spelling is how a client's language writes what the tests call.
type spelling struct {
	confirmUser, waitForCompletion, providers, connections string
	keywords                                               bool // named arguments instead of one object
}

func clients() []published {
	python := func(program string, more ...string) func(*testing.T, ...string) command {
		return func(t *testing.T, args ...string) command {
			t.Helper()
			need(t, partPython)
			return command{path: pythonBinary(t), dir: "python", args: append(append([]string{program}, more...), args...)}
		}
	}
	node := func(program string) func(*testing.T, ...string) command {
		return func(t *testing.T, args ...string) command {
			t.Helper()
			need(t, partNode)
			return command{path: nodeBinary(t), dir: "node", args: append([]string{program}, args...)}
		}
	}
	driver := func(of func(*testing.T, ...string) command) func(*testing.T) command {
		return func(t *testing.T) command { t.Helper(); return of(t) }
	}
	snake := spelling{
		confirmUser: "auth.confirm_user", waitForCompletion: "auth.wait_for_completion",
		providers: "admin.auth_providers", connections: "admin.user_connections", keywords: true,
	}
	camel := spelling{
		confirmUser: "auth.confirmUser", waitForCompletion: "auth.waitForCompletion",
		providers: "admin.authProviders", connections: "admin.userConnections",
	}

	return []published{
		{"arcadepy", python("app.py"), driver(python("driver.py", "sync")), snake},
		{"arcadepy async", python("app_async.py"), driver(python("driver.py", "async")), snake},
		{"arcadejs", node("app.mjs"), driver(node("driver.mjs")), camel},
	}
}

// withEachClient runs a test once for each published client.
func withEachClient(t *testing.T, test func(t *testing.T, c published)) {
	t.Helper()
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// appRun is one run of the seeds' app code.
type appRun struct {
	process *process
	read    int // lines that the test has read
}

// appLine is what the app code says: that the person must click, that it has a
// token, or what exception it met.
type appLine struct {
	Event string `json:"event"`

	ID  string `json:"id"`
	URL string `json:"url"`

	Status     any            `json:"status"` // of the authorization as text, of an exception's answer as a number
	Token      string         `json:"token"`
	UserInfo   map[string]any `json:"user_info"`
	ProviderID string         `json:"provider_id"`
	UserID     string         `json:"user_id"`
	Scopes     []string       `json:"scopes"`

	exception
}

// exception is what a client raises, with the answer that made it.
type exception struct {
	Class string         `json:"class"`
	Code  int            `json:"-"`
	Body  map[string]any `json:"body"`
	Text  string         `json:"text"`
}

// name is the error's name on the wire.
func (e exception) name() string { name, _ := e.Body["name"].(string); return name }

func (c published) start(t *testing.T, baseURL, key, provider, user string, scopes ...string) *appRun {
	t.Helper()
	app := c.app(t, append([]string{provider, user}, scopes...)...)
	app.env = clientEnv(baseURL, key)
	return &appRun{process: run(t, c.name+" app", app)}
}

func clientEnv(baseURL, key string) []string {
	return []string{"ARCADE_BASE_URL=" + baseURL, "ARCADE_API_KEY=" + key}
}

// next waits for the app's next line, which must be of that event.
func (a *appRun) next(t *testing.T, event string) appLine {
	t.Helper()
	var line appLine
	a.process.line(t, a.read, &line)
	a.read++
	if line.Event != event {
		t.Fatalf("the app said %s (%s %s), want %s", line.Event, line.Class, line.Text, event)
	}
	if code, ok := line.Status.(float64); ok {
		line.Code = int(code)
	}
	return line
}

// driverRun calls methods of a published client.
type driverRun struct {
	process *process
	calls   spelling
	read    int
}

func (c published) drive(t *testing.T, baseURL, key string) *driverRun {
	t.Helper()
	driver := c.driver(t)
	driver.env = clientEnv(baseURL, key)
	return &driverRun{process: run(t, c.name+" driver", driver), calls: c.calls}
}

// call is one call of a method, in the words of the driver programs.
type call struct {
	Method string         `json:"method"`
	Args   []any          `json:"args,omitempty"`
	Kwargs map[string]any `json:"kwargs,omitempty"`
	Every  bool           `json:"every,omitempty"`
}

type callAnswer struct {
	Result    json.RawMessage `json:"result"`
	Exception *struct {
		exception
		Status int `json:"status"`
	} `json:"exception"`
}

// with gives the fields as the client's language passes them: after the
// positional arguments, as keywords or as one object.
func (d *driverRun) with(method string, fields map[string]any, positional ...any) call {
	if d.calls.keywords {
		return call{Method: method, Args: positional, Kwargs: fields}
	}
	if len(fields) > 0 {
		positional = append(positional, fields)
	}
	return call{Method: method, Args: positional}
}

func (d *driverRun) ask(t *testing.T, c call) callAnswer {
	t.Helper()
	d.begin(t, c)
	return d.end(t)
}

// begin makes the call and does not wait for it.
func (d *driverRun) begin(t *testing.T, c call) {
	t.Helper()
	d.process.tell(t, c)
}

// end waits for the answer to the oldest call that was begun.
func (d *driverRun) end(t *testing.T) callAnswer {
	t.Helper()
	var answer callAnswer
	d.process.line(t, d.read, &answer)
	d.read++
	return answer
}

// succeeds makes the call and decodes its result into v, unless that is nil.
func (d *driverRun) succeeds(t *testing.T, c call, v any) {
	t.Helper()
	answer := d.ask(t, c)
	if e := answer.Exception; e != nil {
		t.Fatalf("%s: %s %d: %s", c.Method, e.Class, e.Status, e.Text)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(answer.Result, v); err != nil {
		t.Fatalf("%s: %s: %v", c.Method, answer.Result, err)
	}
}

// raises makes the call and gives the exception that it must end in.
func (d *driverRun) raises(t *testing.T, c call) exception {
	t.Helper()
	answer := d.ask(t, c)
	if answer.Exception == nil {
		t.Fatalf("%s: no exception but %s", c.Method, answer.Result)
	}
	e := answer.Exception.exception
	e.Code = answer.Exception.Status
	return e
}

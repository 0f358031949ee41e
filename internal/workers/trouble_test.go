package workers_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/internal/workertest"
)

func declined(t *testing.T, to string) keybearer.Callback {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res := must(client.Get(to))(t)
	defer res.Body.Close()
	return callback(must(res.Location())(t))
}

// Whatever goes wrong, there is an answer that says so, and the worker executes it once or never.
func TestWorkerInTrouble(t *testing.T) {
	for _, c := range []struct {
		fault  workertest.Fault
		kind   string
		says   string
		ran    int
		repeat bool
	}{
		{workertest.HangUp, api.ToolNetworkUnmapped, "may have run", 1, false},
		{workertest.Garbage, api.ToolBadOutput, "cannot be understood", 1, false},
		{workertest.Broken, api.ToolFatal, "status 500", 1, false},
		{workertest.Busy, api.ToolNetworkUnmapped, "busy", 0, false},
		{workertest.Moved, api.ToolFatal, "status 307", 0, false},
		{workertest.Gone, api.ToolFatal, "does not have the tool any more", 0, false},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			l := open(t, options{draft: func(d *keybearer.WorkerDraft) { d.Retry = number(3) }})
			l.connect("read")
			must(l.box.Tools(t.Context(), l.app, workers.Filter{}))(t)
			l.worker.Bend(c.fault)
			e := wantError(t, l.call("Hooli.Create", nil), c.kind, c.says)
			if e.CanRetry != c.repeat {
				t.Errorf("got can_retry %v, want %v", e.CanRetry, c.repeat)
			}
			if ran := len(l.worker.History()); ran != c.ran {
				t.Errorf("got %d executions, want %d", ran, c.ran)
			}
			l.worker.Bend(workertest.Sound)
			if done := l.call("Hooli.Create", nil); !done.Success {
				t.Errorf("got %+v after the trouble, want success", done.Output.Error)
			}
		})
	}
}

func TestWorkerThatIsDownKeepsItsToolsListed(t *testing.T) {
	l := open(t, options{draft: func(d *keybearer.WorkerDraft) { d.Retry = number(1) }})
	before := must(l.box.Tools(t.Context(), l.app, workers.Filter{}))(t)
	l.worker.Down()
	l.box.Forget()
	after := must(l.box.Tools(t.Context(), l.app, workers.Filter{}))(t)
	if len(before) == 0 || len(after) != len(before) {
		t.Errorf("got %d tools and then %d, want the same", len(before), len(after))
	}
	e := wantError(t, l.call("Hooli.Echo", nil), api.ToolNetworkUnreachable, "hooli-tools", "cannot be reached")
	if !e.CanRetry {
		t.Error("nothing was sent, so it can be tried again")
	}
	if got := must(l.box.Health(t.Context(), l.admin, "hooli-tools"))(t); got.Healthy || !got.Enabled || !strings.Contains(got.Message, "cannot be reached") {
		t.Errorf("got %+v, want it unwell", got)
	}
	l.worker.Up()
	if done := l.call("Hooli.Echo", nil); !done.Success {
		t.Errorf("got %+v, want success once it is up again", done.Output.Error)
	}
	if got := must(l.box.Health(t.Context(), l.admin, "hooli-tools"))(t); !got.Healthy {
		t.Errorf("got %+v, want it well", got)
	}
	if !strings.Contains(l.kept.logged(), "cannot be listed") {
		t.Error("the operator is not told")
	}
}

// A call that reaches nobody is tried again, until somebody is there.
func TestCallIsTriedAgainWhileNothingWasSent(t *testing.T) {
	dials := 0
	var l *lab
	l = open(t, options{
		draft: func(d *keybearer.WorkerDraft) { d.Retry = number(2) },
		toolbox: func(c *workers.Config) {
			c.HTTP = func(keybearer.Origin) *http.Client {
				return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPost {
						if dials++; dials == 2 {
							l.worker.Up()
						}
					}
					return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
				})}
			}
		},
	})
	must(l.box.Tools(t.Context(), l.app, workers.Filter{}))(t)
	l.worker.Down()
	if done := l.call("Hooli.Echo", nil); !done.Success || dials != 2 || len(l.worker.History()) != 1 {
		t.Errorf("got %+v after %d tries and %d executions, want success by the second", done, dials, len(l.worker.History()))
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSlowWorkerIsGivenUpAndHoldsNobodyUp(t *testing.T) {
	t.Parallel() // it waits most of the time
	l := open(t, options{draft: func(d *keybearer.WorkerDraft) { d.Timeout, d.Retry = time.Second, number(3) }})
	must(l.box.Tools(t.Context(), l.app, workers.Filter{}))(t)
	l.worker.Bend(workertest.Slow)
	l.box.Forget()
	begun := time.Now()
	e := wantError(t, l.call("Hooli.Wait", nil), api.ToolNetworkTimeout, "did not answer in time", "may have run")
	if e.CanRetry {
		t.Error("it may have run, so it is not to be tried again")
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v, want the worker's timeout and a little", took)
	}
	if calls := len(l.worker.History()); calls != 1 {
		t.Errorf("got %d calls, want 1", calls)
	}
}

func TestWrongSecretIsSaidClearly(t *testing.T) {
	l := open(t, options{})
	must(l.box.Tools(t.Context(), l.app, workers.Filter{}))(t)
	l.worker.Secret("another one")
	wantError(t, l.call("Hooli.Echo", nil), api.ToolFatal, "does not accept the engine's secret")
	if len(l.worker.History()) != 0 {
		t.Error("the worker took a call with a wrong secret")
	}
	if got := must(l.box.Health(t.Context(), l.admin, "hooli-tools"))(t); got.Healthy || !strings.Contains(got.Message, "secret") {
		t.Errorf("got %+v, want that the secret is wrong", got)
	}
}

func TestLargeAnswersComeThroughUpToTheirBound(t *testing.T) {
	t.Parallel() // it waits most of the time
	l := open(t, options{})
	done := l.call("Hooli.Big", map[string]any{"bytes": 5 << 20})
	if !done.Success || len(done.Output.Value) != 5<<20+2 {
		t.Errorf("got %d bytes, want 5 MB whole", len(done.Output.Value))
	}
	wantError(t, l.call("Hooli.Big", map[string]any{"bytes": 9 << 20}), api.ToolBadOutput, "too much")
	if calls := len(l.worker.History()); calls != 2 {
		t.Errorf("got %d calls, want 2", calls)
	}
}

// Whoever hangs up does not wait, and the worker hears of it.
func TestCallerWhoHangsUp(t *testing.T) {
	l := open(t, options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan api.Execution, 1)
	go func() {
		done, _ := l.box.Execute(ctx, l.app, workers.Call{Tool: "Hooli.Wait", User: alice})
		ended <- done
	}()
	<-l.worker.Begun()
	cancel()
	wantError(t, <-ended, api.ToolNetworkUnmapped, "went away")
	if calls := len(l.worker.History()); calls != 1 {
		t.Errorf("got %d calls, want 1", calls)
	}
	if lines := l.kept.calls(); len(lines) != 1 || lines[0].Outcome == "ok" {
		t.Errorf("got the audit %+v, want one line that it came to nothing", lines)
	}
}

package workers_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/internal/workertest"
	"github.com/keybearer/keybearer/secret"
)

// scheduled has a tool run in an hour.
func (l *lab) scheduled(view *keybearer.View, tool string) string {
	l.t.Helper()
	done := must(l.box.Execute(l.t.Context(), view, workers.Call{
		Tool: tool, User: alice, Input: inputs(l.t, map[string]any{"text": "later"}), At: l.clock.Now().Add(time.Hour),
	}))(l.t)
	if done.ExecutionType != "scheduled" || done.Status != "scheduled" || done.RunAt != "2026-11-22T11:00:00Z" || done.Output != nil {
		l.t.Fatalf("got %+v, want it scheduled", done)
	}
	return done.ID
}

func (l *lab) detail(id string) api.ScheduledToolDetail {
	l.t.Helper()
	return must(l.box.ScheduledRun(l.t.Context(), l.app, id))(l.t)
}

// last is the only or latest attempt.
func last(t *testing.T, d api.ScheduledToolDetail) api.ScheduledAttempt {
	t.Helper()
	if len(d.Attempts) == 0 {
		t.Fatalf("got %+v, want an attempt", d)
	}
	return d.Attempts[len(d.Attempts)-1]
}

func TestScheduledToolRunsAtItsTimeAndOnce(t *testing.T) {
	l := open(t, options{})
	l.connect("read")
	id := l.scheduled(l.app, "Hooli.ListProjects")
	l.box.RunDue(t.Context())
	if d := l.detail(id); d.ExecutionStatus != "scheduled" || len(d.Attempts) != 0 || len(l.worker.History()) != 0 {
		t.Errorf("got %+v before its time", d)
	}
	l.clock.Advance(time.Hour)
	// Ten replicas look at the same moment.
	var all sync.WaitGroup
	for range 10 {
		box := l.open(nil)
		all.Go(func() { box.RunDue(t.Context()) })
	}
	all.Wait()
	d := l.detail(id)
	if calls := len(l.worker.History()); calls != 1 {
		t.Fatalf("got %d calls, want 1", calls)
	}
	a := last(t, d)
	if d.ExecutionStatus != "success" || d.FinishedAt == "" || d.StartedAt == "" || string(d.Input["text"]) != `"later"` || len(d.Attempts) != 1 ||
		!a.Success || a.SystemErrorMessage != "" || !strings.Contains(string(a.Output.Value), `"text":"later"`) {
		t.Errorf("got %+v with the attempt %+v", d, a)
	}
	if in := l.worker.History()[0]; in.ExecutionID != id || in.Context.Authorization.Token == "" {
		t.Errorf("got %+v, want the run's id and alice's token", in)
	}
	page, total, err := l.box.Scheduled(t.Context(), l.app, 10, 0)
	if err != nil || total != 1 || len(page) != 1 || page[0].ID != id || page[0].ToolName != "ListProjects" || page[0].ToolkitName != "Hooli" {
		t.Errorf("got %+v, %d, %v", page, total, err)
	}
	other := l.broker.As(keybearer.Caller{Name: "key:other", Users: "*@example.com"})
	_, err = l.box.ScheduledRun(t.Context(), other, id)
	wantKind(t, err, keybearer.NotFound)
	if _, total, err := l.box.Scheduled(t.Context(), other, 10, 0); err != nil || total != 0 {
		t.Errorf("got %d, %v for a limited key, want its own alone", total, err)
	}
}

// A grant that died meanwhile ends the run, with the reason, and the tool is not called.
func TestScheduledToolWhoseGrantDied(t *testing.T) {
	l := open(t, options{})
	l.connect("read")
	id := l.scheduled(l.app, "Hooli.ListProjects")
	l.provider.RevokeUser("alice")
	l.clock.Advance(24 * time.Hour) // so the token has to be refreshed
	l.box.RunDue(t.Context())
	d := l.detail(id)
	if a := last(t, d); d.ExecutionStatus != "failed" || a.Success || !strings.Contains(a.SystemErrorMessage, "authorization required") || !strings.Contains(a.SystemErrorMessage, "/start/ac_") {
		t.Errorf("got %+v with %+v, want it failed with the link", d, a)
	}
	if len(l.worker.History()) != 0 {
		t.Error("the tool was called")
	}
	l.clock.Advance(24 * time.Hour)
	l.box.RunDue(t.Context())
	if len(l.detail(id).Attempts) != 1 {
		t.Error("a run that is over was tried again")
	}
}

func TestScheduledToolThatFailsIsNotRepeated(t *testing.T) {
	l := open(t, options{})
	l.connect("read")
	id := l.scheduled(l.app, "Hooli.Fail")
	l.clock.Advance(time.Hour)
	l.box.RunDue(t.Context())
	l.clock.Advance(24 * time.Hour)
	l.box.RunDue(t.Context())
	d := l.detail(id)
	if a := last(t, d); d.ExecutionStatus != "failed" || a.Output == nil || a.Output.Error == nil || a.Output.Error.Kind != api.ToolFatal || a.Output.Error.Stacktrace != "" {
		t.Errorf("got %+v with %+v, want it failed with the tool's error", d, a)
	}
	if calls := len(l.worker.History()); calls != 1 {
		t.Errorf("got %d calls, want 1", calls)
	}
}

// While the worker is down nothing is sent, so the run is tried again until it is up.
func TestScheduledToolWaitsForItsWorker(t *testing.T) {
	l := open(t, options{})
	l.names(workers.Filter{})
	id := l.scheduled(l.app, "Hooli.Echo")
	l.worker.Down()
	l.clock.Advance(time.Hour)
	l.box.RunDue(t.Context())
	d := l.detail(id)
	if a := last(t, d); d.ExecutionStatus != "scheduled" || d.FinishedAt != "" || !strings.Contains(a.SystemErrorMessage, "cannot be reached") {
		t.Fatalf("got %+v with %+v, want another try planned", d, a)
	}
	l.box.RunDue(t.Context())
	if got := len(l.detail(id).Attempts); got != 1 {
		t.Errorf("got %d attempts, want a pause before the second", got)
	}
	l.worker.Up()
	l.clock.Advance(time.Minute)
	l.box.RunDue(t.Context())
	if d := l.detail(id); d.ExecutionStatus != "success" || len(d.Attempts) != 2 || len(l.worker.History()) != 1 {
		t.Errorf("got %+v after %d calls, want success by the second attempt", d, len(l.worker.History()))
	}
}

func TestScheduledToolGivesUpSomeTime(t *testing.T) {
	l := open(t, options{})
	l.names(workers.Filter{})
	id := l.scheduled(l.app, "Hooli.Echo")
	l.worker.Down()
	for range 20 {
		l.clock.Advance(time.Hour)
		l.box.RunDue(t.Context())
	}
	if d := l.detail(id); d.ExecutionStatus != "failed" || len(d.Attempts) != 6 {
		t.Errorf("got %s after %d attempts, want it failed after 6", d.ExecutionStatus, len(d.Attempts))
	}
}

// dies is a store of runs whose process dies after so many writes.
type dies struct {
	keybearer.RunStore
	mu   sync.Mutex
	left int
}

func (d *dies) PutRun(ctx context.Context, r keybearer.Run, ifVersion int64) (keybearer.Run, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left == 0 {
		return keybearer.Run{}, keybearer.Errorf(keybearer.Conflict, "the process is dead")
	}
	d.left--
	return d.RunStore.PutRun(ctx, r, ifVersion)
}

// A process that dies leaves a run behind. If the call may have been sent it is not sent again, and whoever scheduled
// it is told; if not, it is.
func TestRunThatAProcessLeftBehind(t *testing.T) {
	for name, c := range map[string]struct {
		writes int // scheduling is one, taking one, noting that it is sent one
		want   string
		says   string
		calls  int
	}{
		"before it was sent": {2, "success", "ended before the tool was called", 1},
		"after it was sent":  {3, "failed", "may have run to its end or not", 1},
	} {
		t.Run(name, func(t *testing.T) {
			store := &dies{RunStore: keybearer.NewMemory(), left: c.writes}
			l := open(t, options{broker: func(cfg *keybearer.Config) { cfg.Runs = store }})
			id := l.scheduled(l.app, "Hooli.Echo")
			l.clock.Advance(time.Hour)
			l.box.RunDue(t.Context())
			if d := l.detail(id); d.ExecutionStatus != "running" {
				t.Fatalf("got %+v, want it left behind", d)
			}
			store.mu.Lock()
			store.left = 100
			store.mu.Unlock()
			l.box.RunDue(t.Context())
			if d := l.detail(id); d.ExecutionStatus != "running" {
				t.Errorf("got %+v, want nobody to touch it while its lease runs", d)
			}
			for range 3 {
				l.clock.Advance(2 * time.Minute)
				l.box.RunDue(t.Context())
			}
			d := l.detail(id)
			if d.ExecutionStatus != c.want || len(d.Attempts) == 0 || !strings.Contains(d.Attempts[0].SystemErrorMessage, c.says) {
				t.Errorf("got %+v, want %s and %q", d, c.want, c.says)
			}
			if calls := len(l.worker.History()); calls != c.calls {
				t.Errorf("got %d calls, want %d", calls, c.calls)
			}
		})
	}
}

func TestRevokedKeyRunsNothing(t *testing.T) {
	l := open(t, options{})
	key, text, err := l.admin.CreateKey(t.Context(), keybearer.KeyDraft{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	caller := must(l.broker.Authenticate(t.Context(), text))(t)
	id := l.scheduled(l.broker.As(caller), "Hooli.Echo")
	if err := l.admin.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	l.clock.Advance(time.Hour)
	l.box.RunDue(t.Context())
	if d := l.detail(id); d.ExecutionStatus != "failed" || !strings.Contains(last(t, d).SystemErrorMessage, "was revoked") || len(l.worker.History()) != 0 {
		t.Errorf("got %+v, want it failed", d)
	}
}

func TestSchedulingHasBounds(t *testing.T) {
	l := open(t, options{})
	for name, c := range map[string]struct {
		caller keybearer.Caller
		call   workers.Call
		want   keybearer.Kind
	}{
		"too far":      {keybearer.Caller{}, workers.Call{User: alice, At: l.clock.Now().AddDate(2, 0, 0)}, keybearer.BadRequest},
		"no user":      {keybearer.Caller{}, workers.Call{At: l.clock.Now()}, keybearer.BadRequest},
		"another user": {keybearer.Caller{Users: "bob"}, workers.Call{User: alice, At: l.clock.Now()}, keybearer.PermissionDenied},
		"too much": {keybearer.Caller{}, workers.Call{
			User: alice, At: l.clock.Now(),
			Input: inputs(t, map[string]any{"text": strings.Repeat("x", 2<<20)}),
		}, keybearer.TooLarge},
	} {
		c.call.Tool = "Hooli.Echo"
		_, err := l.box.Execute(t.Context(), l.broker.As(c.caller), c.call)
		if keybearer.KindOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// What is scheduled runs by itself, and stopping waits for what has begun.
func TestRunLoopRunsWhatIsDue(t *testing.T) {
	l := open(t, options{toolbox: func(c *workers.Config) { c.RunEvery = time.Millisecond }})
	id := l.scheduled(l.app, "Hooli.Echo")
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = l.box.Run(ctx) })
	l.clock.Advance(time.Hour)
	<-l.worker.Begun()
	cancel()
	running.Wait()
	if d := l.detail(id); d.ExecutionStatus != "success" {
		t.Errorf("got %+v, want it brought to its end", d)
	}
}

// Whatever waits in a store is sealed.
func TestStoredToolsAreSealedAnewWithTheRest(t *testing.T) {
	l := open(t, options{})
	must(l.admin.PutToolSecret(t.Context(), "HOOK", secret.New("a value"), ""))(t)
	l.scheduled(l.app, "Hooli.Echo")
	counts := must(l.broker.SealedBy(t.Context(), keybearer.DefaultProject))(t)
	total := 0
	for _, n := range counts {
		total += n
	}
	if total != 4 { // the provider's secret, the worker's, the tool's, and the run
		t.Errorf("got %v, want 4 values", counts)
	}
}

// The row of a run may be written while its tool runs: it is sealed anew, or another replica, which has not heard of this
// one for a minute, takes it for left behind. How it ended is stored all the same.
func TestEndOfARunIsKeptWhoeverWroteMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(*keybearer.Run){
		"sealed anew": func(*keybearer.Run) {},
		"taken for left behind": func(r *keybearer.Run) {
			r.State, r.DueAt, r.FinishedAt = keybearer.RunFailed, time.Time{}, r.StartedAt
			r.Last().FinishedAt, r.Last().Problem = r.StartedAt, "it may have run or not"
		},
	} {
		t.Run(name, func(t *testing.T) {
			memory := keybearer.NewMemory()
			l := open(t, options{broker: func(c *keybearer.Config) { c.Runs = memory }})
			tool := workertest.Hooli()[0]
			l.worker.Offer(tool.Tool, func(ctx context.Context, in api.Invocation) api.InvocationOutput {
				r, err := memory.Run(ctx, keybearer.DefaultProject, keybearer.RunID(in.ExecutionID))
				if err == nil {
					meanwhile(&r)
					_, err = memory.PutRun(ctx, r, r.Version)
				}
				if err != nil {
					t.Error(err)
				}
				return tool.Run(ctx, in)
			})
			id := l.scheduled(l.app, "Hooli.Echo")
			l.clock.Advance(time.Hour)
			l.box.RunDue(t.Context())
			if d := l.detail(id); d.ExecutionStatus != "success" || !last(t, d).Success || last(t, d).SystemErrorMessage != "" || last(t, d).Output == nil {
				t.Errorf("got %+v, want success", d)
			}
		})
	}
}

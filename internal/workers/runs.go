package workers

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/oauth"
)

const (
	// runLease is how long a run counts as running after its process last said so, and runExtend how often that says so.
	runLease  = time.Minute
	runExtend = 15 * time.Second
	// maxTries bounds how often a run is tried of which nothing was sent, after pauses that double from firstPause.
	maxTries   = 6
	firstPause = 10 * time.Second
	runsAtOnce = 8
	runWrite   = 10 * time.Second
	stopGrace  = 20 * time.Second
	moveTries  = 5
	maxProblem = 2000
)

// schedule stores a call for later.
func (t *Toolbox) schedule(ctx context.Context, v *keybearer.View, tool *Tool, c Call) (api.Execution, error) {
	d := &tool.Definition
	run, err := v.ScheduleRun(ctx, keybearer.Run{
		Toolkit: d.Toolkit.Name, Tool: d.Name, ToolVersion: d.Toolkit.Version, User: c.User, RunAt: c.At,
	}, keybearer.RunContent{Input: c.Input, NextURI: c.NextURI, Stacktrace: c.Stacktrace})
	if err != nil {
		return api.Execution{}, err
	}
	return api.Execution{
		ID: string(run.ID), ExecutionID: string(run.ID), ExecutionType: typeScheduled, Status: statusScheduled, Success: true, RunAt: timeText(run.RunAt),
	}, nil
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Run runs scheduled tools until ctx ends, and waits for those that it has begun, 20 seconds at most. Where somebody listens to
// [Toolbox.Changed], it looks at the lists of tools, too.
func (t *Toolbox) Run(ctx context.Context) error {
	// What was begun is brought to its end when ctx ends, as far as that takes no longer than stopGrace.
	life, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var running sync.WaitGroup
	defer func() {
		late := time.AfterFunc(stopGrace, cut)
		running.Wait()
		late.Stop()
	}()
	turns := make(chan struct{}, runsAtOnce)
	tick := time.NewTicker(t.cfg.RunEvery)
	defer tick.Stop()
	looked := time.Now()
	for {
		if t.changes.any() && time.Since(looked) >= t.cfg.ListFor {
			looked = time.Now()
			t.lookAround(ctx)
		}
		t.runDue(ctx, life, turns, &running)
		select {
		case <-ctx.Done():
			return nil
		case <-t.woken:
			looked = time.Time{}
		case <-tick.C:
		}
	}
}

func (t *Toolbox) lookAround(ctx context.Context) {
	if _, err := t.shelf(ctx, t.cfg.Project, t.cfg.ListFor); err != nil && ctx.Err() == nil {
		t.cfg.Log.Warn("the lists of tools could not be looked at", "error", err)
	}
}

// RunDue runs what is due at this moment, and waits for it. It is what Run does each time.
func (t *Toolbox) RunDue(ctx context.Context) {
	var running sync.WaitGroup
	t.runDue(ctx, ctx, make(chan struct{}, runsAtOnce), &running)
	running.Wait()
}

// runDue takes what is due, as long as there are turns, and runs it under life.
func (t *Toolbox) runDue(ctx, life context.Context, turns chan struct{}, running *sync.WaitGroup) {
	due, err := t.cfg.Broker.DueRuns(ctx, t.cfg.Project, cap(turns))
	if err != nil {
		if ctx.Err() == nil {
			t.cfg.Log.Warn("scheduled tools could not be looked for", "error", err)
		}
		return
	}
	for _, run := range due {
		if run.State == keybearer.RunRunning {
			t.leftBehind(ctx, run)
			continue
		}
		select {
		case turns <- struct{}{}:
		default:
			return // the next look finds it
		}
		taken, err := t.take(ctx, run)
		if err != nil {
			<-turns
			if !errors.Is(err, keybearer.Conflict) && ctx.Err() == nil { // a Conflict is another replica's luck
				t.cfg.Log.Warn("a scheduled tool could not be taken", "run", run.ID, "error", err)
			}
			continue
		}
		running.Go(func() {
			defer func() { <-turns }()
			t.runOne(life, taken)
		})
	}
}

// leftBehind ends a run whose process has died, or tries it anew where nothing was sent.
func (t *Toolbox) leftBehind(ctx context.Context, run keybearer.Run) {
	last := run.Last()
	if last == nil || !last.FinishedAt.IsZero() {
		run.Attempts = append(run.Attempts, keybearer.RunAttempt{ID: attemptID(), StartedAt: t.cfg.Now()})
		last = run.Last()
	}
	last.FinishedAt = t.cfg.Now()
	if last.Sent {
		last.Problem = "the engine ended while the tool was running: it may have run to its end or not, and is not run a second time"
		run.State, run.DueAt, run.FinishedAt = keybearer.RunFailed, time.Time{}, t.cfg.Now()
	} else {
		last.Problem = "the engine ended before the tool was called"
		run.State, run.DueAt = keybearer.RunScheduled, t.cfg.Now()
	}
	if _, err := t.cfg.Broker.MoveRun(ctx, run); err != nil && !errors.Is(err, keybearer.Conflict) && ctx.Err() == nil {
		t.cfg.Log.Warn("a scheduled tool that was left behind could not be ended", "run", run.ID, "error", err)
		return
	}
	t.cfg.Log.Warn("a scheduled tool was left behind", "run", run.ID, "sent", last.Sent, "why", last.Problem)
}

func attemptID() string { return "at" + executionID()[2:] }

// take moves a run to running, which one process can.
func (t *Toolbox) take(ctx context.Context, run keybearer.Run) (keybearer.Run, error) {
	now := t.cfg.Now()
	run.State, run.DueAt = keybearer.RunRunning, now.Add(runLease)
	if run.StartedAt.IsZero() {
		run.StartedAt = now
	}
	run.Attempts = append(run.Attempts, keybearer.RunAttempt{ID: attemptID(), StartedAt: now})
	return t.cfg.Broker.MoveRun(ctx, run)
}

// attempt is one try of a run, by this process.
type attempt struct {
	toolbox *Toolbox
	content keybearer.RunContent

	mu  sync.Mutex // of run, which is extended while the tool runs
	run keybearer.Run
}

// runOne tries a run once and writes down how it ended.
func (t *Toolbox) runOne(ctx context.Context, run keybearer.Run) {
	a := &attempt{toolbox: t, run: run}
	extending, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { a.extend(extending) })
	done, unsent, err := a.execute(ctx)
	stop()
	beside.Wait()
	if err := a.finish(context.WithoutCancel(ctx), done, unsent, err); err != nil {
		t.cfg.Log.Error("it could not be stored how a scheduled tool ended", "run", run.ID, "error", err)
	}
}

// extend says again and again that the run is not left behind.
func (a *attempt) extend(ctx context.Context) {
	tick := time.NewTicker(runExtend)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := a.move(ctx, true, func(r *keybearer.Run) { r.DueAt = a.toolbox.cfg.Now().Add(runLease) }); err != nil && ctx.Err() == nil {
			a.toolbox.cfg.Log.Warn("a scheduled tool runs, and that could not be written down", "run", a.run.ID, "error", err)
		}
	}
}

// move writes a change of the run, with its content where that has something new. If somebody else has written the row
// meanwhile, as whoever seals values anew does, the change is made to what is there now; where running is set only if
// nobody has ended the attempt.
func (a *attempt) move(ctx context.Context, running bool, change func(*keybearer.Run)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	broker := a.toolbox.cfg.Broker
	for try := 0; ; try++ {
		next := a.run
		next.Attempts = slices.Clone(a.run.Attempts)
		change(&next)
		var stored keybearer.Run
		var err error
		if a.content.Outputs != nil {
			stored, err = broker.KeepRun(ctx, next, a.content)
		} else {
			stored, err = broker.MoveRun(ctx, next)
		}
		if err == nil {
			a.run = stored
			return nil
		}
		if !errors.Is(err, keybearer.Conflict) || try >= moveTries {
			return err
		}
		now, _, readErr := broker.As(a.run.Caller).Run(ctx, a.run.ID)
		if readErr != nil {
			return readErr
		}
		if last := now.Last(); last == nil || last.ID != a.run.Last().ID || running && now.State != keybearer.RunRunning {
			return err // the attempt is another's now, or was taken for left behind
		}
		a.run = now
	}
}

// execute runs the tool. Unsent says that nothing of the call can have reached the worker.
func (a *attempt) execute(ctx context.Context) (done api.Execution, unsent bool, err error) {
	t, run := a.toolbox, &a.run
	if a.content, err = t.cfg.Broker.RunContent(run); err != nil {
		return done, false, err
	}
	if err := t.cfg.Broker.CallerStands(ctx, run.Caller); err != nil {
		return done, !errors.Is(err, keybearer.PermissionDenied), err
	}
	view := t.cfg.Broker.As(run.Caller)
	e, err := t.find(ctx, view, run.Toolkit+"."+run.Tool, run.ToolVersion)
	if errors.Is(err, keybearer.NotFound) { // its worker may be away since the engine started, or have a new version
		e, err = t.find(ctx, view, run.Toolkit+"."+run.Tool, "")
	}
	if err != nil {
		return done, true, err
	}
	x := &execution{toolbox: t, view: view, entry: e, id: string(run.ID), beforeSend: a.sending, call: Call{
		User: run.User, Input: a.content.Input, NextURI: a.content.NextURI, Stacktrace: a.content.Stacktrace,
	}}
	done, err = x.run(ctx)
	a.mu.Lock()
	sent := a.run.Last().Sent
	a.mu.Unlock()
	return done, x.unsent || err != nil && !sent, err
}

// sending writes down that the call is about to be sent. If that cannot be stored nothing is sent.
func (a *attempt) sending(ctx context.Context) error {
	return a.move(ctx, true, func(r *keybearer.Run) {
		r.Last().Sent = true
		r.DueAt = a.toolbox.cfg.Now().Add(runLease)
	})
}

// finish writes the end of an attempt, or plans the next one.
func (a *attempt) finish(ctx context.Context, done api.Execution, unsent bool, failure error) error {
	now := a.toolbox.cfg.Now()
	if output, err := json.Marshal(done.Output); failure == nil && err == nil {
		if a.content.Outputs == nil {
			a.content.Outputs = map[string]json.RawMessage{}
		}
		a.content.Outputs[a.run.Last().ID] = output
	}
	end := func(run *keybearer.Run) {
		last := run.Last()
		last.FinishedAt, last.Success, last.Sent = now, failure == nil && done.Success, !unsent && last.Sent
		switch {
		case failure != nil:
			last.Problem = oauth.Clean(failure.Error(), maxProblem)
		case unsent && done.Output != nil && done.Output.Error != nil:
			last.Problem = oauth.Clean(done.Output.Error.Message, maxProblem)
		default:
			last.Problem = ""
		}
		switch {
		case last.Success:
			run.State, run.DueAt, run.FinishedAt = keybearer.RunSuccess, time.Time{}, now
		case unsent && len(run.Attempts) < maxTries && mayPass(failure, done):
			run.State, run.DueAt = keybearer.RunScheduled, now.Add(firstPause<<(len(run.Attempts)-1))
		default:
			run.State, run.DueAt, run.FinishedAt = keybearer.RunFailed, time.Time{}, now
		}
	}
	for try := 0; ; try++ {
		writing, cancel := context.WithTimeout(ctx, runWrite)
		err := a.move(writing, false, end)
		cancel()
		if err == nil || errors.Is(err, keybearer.Conflict) || !again(ctx, try, maxTries) {
			return err
		}
	}
}

// mayPass reports whether a failure may be over by the next try without anybody doing anything.
func mayPass(failure error, done api.Execution) bool {
	if failure != nil {
		kind := keybearer.KindOf(failure)
		return kind.Retryable() || kind == keybearer.NotFound || kind == keybearer.Conflict
	}
	return done.Output != nil && done.Output.Error != nil && done.Output.Error.Kind == api.ToolNetworkUnreachable
}

// Scheduled lists a page of scheduled tools, latest first, and counts all. A limited caller sees its own.
func (t *Toolbox) Scheduled(ctx context.Context, v *keybearer.View, limit, offset int) ([]api.ScheduledTool, int, error) {
	page, total, err := v.Runs(ctx, limit, offset)
	if err != nil {
		return nil, 0, err
	}
	out := make([]api.ScheduledTool, len(page))
	for i := range page {
		out[i] = scheduledTool(&page[i])
	}
	return out, total, nil
}

// ScheduledRun gives one with its input and attempts. Kind: NotFound.
func (t *Toolbox) ScheduledRun(ctx context.Context, v *keybearer.View, id string) (api.ScheduledToolDetail, error) {
	run, content, err := v.Run(ctx, keybearer.RunID(id))
	if err != nil {
		return api.ScheduledToolDetail{}, err
	}
	out := api.ScheduledToolDetail{ScheduledTool: scheduledTool(&run), Input: content.Input, Attempts: []api.ScheduledAttempt{}}
	if out.Input == nil {
		out.Input = map[string]json.RawMessage{}
	}
	for _, a := range run.Attempts {
		one := api.ScheduledAttempt{
			ID: a.ID, StartedAt: timeText(a.StartedAt), FinishedAt: timeText(a.FinishedAt), Success: a.Success, SystemErrorMessage: a.Problem,
		}
		if output, ok := content.Outputs[a.ID]; ok {
			one.Output = &api.ExecutionOutput{}
			if err := json.Unmarshal(output, one.Output); err != nil {
				return api.ScheduledToolDetail{}, keybearer.Errorf(keybearer.Internal, "the output of run %s cannot be read: %w", id, err)
			}
		}
		out.Attempts = append(out.Attempts, one)
	}
	return out, nil
}

func scheduledTool(r *keybearer.Run) api.ScheduledTool {
	return api.ScheduledTool{
		ID: string(r.ID), ToolName: r.Tool, ToolkitName: r.Toolkit, ToolkitVersion: r.ToolVersion, UserID: string(r.User),
		ExecutionType: typeScheduled, ExecutionStatus: string(r.State), RunAt: timeText(r.RunAt), StartedAt: timeText(r.StartedAt),
		FinishedAt: timeText(r.FinishedAt), CreatedAt: timeText(r.CreatedAt), UpdatedAt: timeText(r.UpdatedAt),
	}
}

package workers

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
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

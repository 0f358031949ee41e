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

func attemptID() string { return "at" + executionID()[2:] }

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
	t := a.toolbox
	a.mu.Lock()
	run := a.run
	content, err := t.cfg.Broker.RunContent(&run)
	a.content = content
	a.mu.Unlock()
	if err != nil {
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
		User: run.User, Input: content.Input, NextURI: content.NextURI, Stacktrace: content.Stacktrace,
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

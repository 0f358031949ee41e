package keybearer

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/keybearer/keybearer/oauth"
)

const (
	maxRunAhead = 366 * 24 * time.Hour
	maxRunInput = 1 << 20
)

// ScheduleRun stores a run for later. Its Toolkit, Tool, ToolVersion, User and RunAt are read. Kinds: BadRequest,
// PermissionDenied.
func (v *View) ScheduleRun(ctx context.Context, r Run, content RunContent) (Run, error) {
	now := v.b.now()
	err := CheckUserID(r.User)
	switch {
	case err != nil:
		return Run{}, err
	case !v.caller.mayActFor(r.User):
		err = Errorf(PermissionDenied, "permission denied: this API key may not act for this user")
		v.record(Event{Action: ActionToolSchedule, User: r.User, Outcome: string(PermissionDenied), Reason: r.name()})
		return Run{}, err
	case r.RunAt.Sub(now) > maxRunAhead:
		return Run{}, Errorf(BadRequest, "run_at is more than a year away: a tool can be scheduled for at most a year ahead")
	}
	if err := v.b.checkNextURI(content.NextURI); err != nil {
		return Run{}, err
	}
	stored := Run{
		Project: v.caller.Project, ID: RunID(randomID("te_")), Caller: v.caller, User: r.User,
		Toolkit: r.Toolkit, Tool: r.Tool, ToolVersion: r.ToolVersion, State: RunScheduled,
		RunAt: r.RunAt, DueAt: r.RunAt, CreatedAt: now,
	}
	stored, err = v.b.KeepRun(ctx, stored, content)
	v.record(Event{Action: ActionToolSchedule, User: r.User, Outcome: outcome(err), Reason: strings.TrimSpace(r.name() + " " + reason(err))})
	return stored, err
}

func (r *Run) name() string { return oauth.Clean(r.Toolkit+"."+r.Tool, 200) }

// Runs lists a page of scheduled runs, latest first, and counts all. A limited caller sees its own.
func (v *View) Runs(ctx context.Context, limit, offset int) ([]Run, int, error) {
	return v.b.cfg.Runs.Runs(ctx, RunFilter{Project: v.caller.Project, Caller: v.onlyOwn(), Limit: limit, Offset: offset})
}

// Run gives one with its content. Kind: NotFound.
func (v *View) Run(ctx context.Context, id RunID) (Run, RunContent, error) {
	r, err := v.b.cfg.Runs.Run(ctx, v.caller.Project, id)
	if own := v.onlyOwn(); errors.Is(err, NotFound) || err == nil && own != "" && r.Caller.Name != own {
		return Run{}, RunContent{}, Errorf(NotFound, "there is no scheduled run %q", oauth.Clean(string(id), 100))
	}
	if err != nil {
		return Run{}, RunContent{}, err
	}
	content, err := v.b.RunContent(&r)
	return r, content, err
}

// onlyOwn is the name of a caller that sees only what it scheduled itself, or "".
func (v *View) onlyOwn() string {
	if v.caller.limited() {
		return v.caller.Name
	}
	return ""
}

// DueRuns lists runs that somebody has to look at, first those that came due first. Seeing one gives no right to
// it: whoever moves it with KeepRun has it.
func (b *Broker) DueRuns(ctx context.Context, project ProjectID, limit int) ([]Run, error) {
	return b.cfg.Runs.DueRuns(ctx, project, b.now(), limit)
}

// RunContent opens the content of a run.
func (b *Broker) RunContent(r *Run) (RunContent, error) {
	plain, err := b.cfg.Sealer.Open(r.Content, r.ContentPlace())
	if err != nil {
		return RunContent{}, Errorf(Internal, "opening the content of run %s: %w", r.ID, err)
	}
	var content RunContent
	if err := json.Unmarshal(plain, &content); err != nil {
		return RunContent{}, Errorf(Internal, "the content of run %s cannot be read", r.ID)
	}
	return content, nil
}

// KeepRun stores a run with its content in the version that follows its own, and gives what is stored. Conflict
// means that somebody else has moved it.
func (b *Broker) KeepRun(ctx context.Context, r Run, content RunContent) (Run, error) {
	plain, err := json.Marshal(content)
	if err != nil {
		return Run{}, Errorf(BadRequest, "the input is no JSON")
	}
	if r.Version == 0 && len(plain) > maxRunInput {
		return Run{}, Errorf(TooLarge, "the input has %d bytes, and a run can be scheduled with at most %d", len(plain), maxRunInput)
	}
	if r.Content, err = b.cfg.Sealer.Seal(plain, r.ContentPlace()); err != nil {
		return Run{}, Errorf(Internal, "sealing the content of run %s: %w", r.ID, err)
	}
	return b.MoveRun(ctx, r)
}

// MoveRun is KeepRun with the content as it is.
func (b *Broker) MoveRun(ctx context.Context, r Run) (Run, error) {
	r.UpdatedAt = b.now()
	return b.cfg.Runs.PutRun(ctx, r, r.Version)
}

// CallerStands says why a caller who scheduled something may do nothing any more, if so: its API key was revoked
// meanwhile. Keys are known by their names here; one that stands is enough.
func (b *Broker) CallerStands(ctx context.Context, c Caller) error {
	name, isKey := strings.CutPrefix(c.Name, "key:")
	if !isKey {
		return nil
	}
	keys, err := b.cfg.Keys.Keys(ctx, c.Project)
	if err != nil {
		return err
	}
	revoked := false
	for _, k := range keys {
		if k.Name != name {
			continue
		}
		if k.RevokedAt.IsZero() {
			return nil
		}
		revoked = true
	}
	if revoked {
		return Errorf(PermissionDenied, "the API key %q, with which this was scheduled, was revoked", oauth.Clean(name, 100))
	}
	return nil
}

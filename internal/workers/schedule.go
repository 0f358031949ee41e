package workers

import (
	"context"
	"encoding/json"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
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

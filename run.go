package keybearer

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/keybearer/keybearer/seal"
)

// RunID names a scheduled run: "te_" and random characters, as the vendor's executions have it.
type RunID string

// RunState is how far a run is.
type RunState string

// The states. A run goes from scheduled to running to its end, and from running back to scheduled only
// where nothing was sent to the worker.
const (
	RunScheduled RunState = "scheduled"
	RunRunning   RunState = "running"
	RunSuccess   RunState = "success"
	RunFailed    RunState = "failed"
)

// Run is a tool that is to run at a time, or did. The row is the job, and its journal: whoever moves it to
// running, with a compare-and-swap, runs it, and writes down that the call is about to be sent before it
// is. So a run that a process left behind is known to have been sent, or not to have been.
type Run struct {
	Project ProjectID
	ID      RunID
	// Caller is who scheduled it; it runs with what that caller may do.
	Caller Caller
	User   UserID
	// Toolkit, Tool and ToolVersion name the tool as it was found when the run was scheduled.
	Toolkit, Tool, ToolVersion string
	State                      RunState
	// Content is a [RunContent], sealed at [Run.ContentPlace].
	Content seal.Value
	// Attempts are the tries, first one first.
	Attempts []RunAttempt

	RunAt time.Time
	// DueAt is when somebody has to look at it: RunAt or the time of the next try, while it runs the time
	// at which it counts as left behind, and zero when it is over.
	DueAt                 time.Time
	StartedAt, FinishedAt time.Time
	CreatedAt, UpdatedAt  time.Time
	// Version counts the writes, from 1; see RunStore.
	Version int64
}

// ContentPlace is where the content is sealed.
func (r *Run) ContentPlace() []byte {
	return seal.Place("run", string(r.Project), string(r.ID), "content")
}

// RunAttempt is one try.
type RunAttempt struct {
	ID         string    `json:"id"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// Sent is whether the call was about to be sent to the worker, or more.
	Sent    bool `json:"sent,omitempty"`
	Success bool `json:"success,omitempty"`
	// Problem says why the tool could not be run at all.
	Problem string `json:"problem,omitempty"`
}

// RunContent is what a run keeps sealed: what people gave the tool, and what it gave them.
type RunContent struct {
	Input      map[string]json.RawMessage `json:"input,omitempty"`
	NextURI    string                     `json:"next_uri,omitempty"`
	Stacktrace bool                       `json:"stacktrace,omitempty"`
	// Outputs are the tool's outputs, as JSON, by the attempt's id.
	Outputs map[string]json.RawMessage `json:"outputs,omitempty"`
}

// Last is the latest attempt, or nil.
func (r *Run) Last() *RunAttempt {
	if len(r.Attempts) == 0 {
		return nil
	}
	return &r.Attempts[len(r.Attempts)-1]
}

// Over reports whether the run has ended.
func (r *Run) Over() bool { return r.State == RunSuccess || r.State == RunFailed }

// clone gives a run that shares nothing, with times as stores keep them.
func (r Run) clone() Run {
	r.Content, r.Attempts, r.Caller.Providers = storedList(r.Content), storedList(r.Attempts), storedList(r.Caller.Providers)
	r.Attempts = slices.Clone(r.Attempts)
	for i := range r.Attempts {
		a := &r.Attempts[i]
		a.StartedAt, a.FinishedAt = storedTime(a.StartedAt), storedTime(a.FinishedAt)
	}
	r.RunAt, r.DueAt, r.StartedAt, r.FinishedAt = storedTime(r.RunAt), storedTime(r.DueAt), storedTime(r.StartedAt), storedTime(r.FinishedAt)
	r.CreatedAt, r.UpdatedAt = storedTime(r.CreatedAt), storedTime(r.UpdatedAt)
	return r
}

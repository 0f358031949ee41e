package workers

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

const (
	statusSuccess   = "success"
	statusFailed    = "failed"
	statusScheduled = "scheduled"

	typeImmediate = "immediate"
	typeScheduled = "scheduled"
)

// Execute runs a tool, or has it run at call.At. A tool that fails is no error: it is in the Execution, as is a worker
// that cannot be reached. A user who has not authorized what the tool needs is a *keybearer.AuthorizationRequired.
// Other kinds: NotFound (no such tool), BadRequest, PermissionDenied, and those of [keybearer.View.Lend].
func (t *Toolbox) Execute(ctx context.Context, v *keybearer.View, c Call) (api.Execution, error) {
	e, err := t.find(ctx, v, c.Tool, c.Version)
	if err != nil {
		return api.Execution{}, err
	}
	if !c.At.IsZero() {
		return t.schedule(ctx, v, e.tool, c)
	}
	x := &execution{toolbox: t, view: v, entry: e, call: c, id: executionID()}
	return x.run(ctx)
}

func executionID() string { return "te_" + rand.Text() }

// execution is one call of one tool, on its way.
type execution struct {
	toolbox *Toolbox
	view    *keybearer.View
	entry
	call Call
	id   string
	// beforeSend is told that the call is about to be sent, and may forbid it; nil lets it go.
	beforeSend func(context.Context) error
	// unsent is whether the call has failed, and nothing was executed.
	unsent bool
	// troubled is whether the failure is the engine's own account of it, not the tool's.
	troubled bool

	loan keybearer.Loan
}

func (x *execution) run(ctx context.Context) (api.Execution, error) {
	loan, err := x.view.Lend(ctx, x.request(secret.String{}))
	if missing, ok := errors.AsType[*keybearer.MissingSecrets](err); ok {
		return x.ended(api.InvocationResult{Output: api.InvocationOutput{Error: &api.ToolError{
			Kind: api.ToolRequirementsNotMet, Message: missing.Error(),
		}}}, 0), nil
	}
	if err != nil {
		return api.Execution{}, err
	}
	x.loan = loan
	if x.beforeSend != nil {
		if err := x.beforeSend(ctx); err != nil {
			return api.Execution{}, err
		}
	}
	begun := time.Now()
	result := x.invoke(ctx)
	if loan.Token != nil && !x.troubled && refusedToken(&result) {
		result = x.renewed(ctx, result)
	}
	if result.Output.RequiresAuthorization != nil {
		x.askForMore(ctx, &result)
	}
	x.record(&result)
	return x.ended(result, time.Since(begun)), nil
}

// request is what the tool needs; refused is a token that will not do.
func (x *execution) request(refused secret.String) keybearer.LoanRequest {
	return keybearer.LoanRequest{
		Tool: x.tool.Definition.FullyQualifiedName, User: x.call.User, Authorization: x.tool.authorization(), Secrets: x.tool.secrets(),
		Refused: refused, NextURI: x.call.NextURI,
	}
}

// invoke calls the worker once. What went wrong is in the result.
func (x *execution) invoke(ctx context.Context) api.InvocationResult {
	ctx, cancel := context.WithTimeout(ctx, x.source.worker.Timeout)
	defer cancel()
	if x.source.wrong != nil {
		return x.failed(&trouble{kind: api.ToolFatal, message: "the worker cannot be used: " + x.source.wrong.Error(), unsent: true})
	}
	result, err := x.source.end.invoke(ctx, x.tool, x.invocation(), x.call.Progress)
	if err != nil {
		return x.failed(troubleOf(string(x.source.worker.ID), err))
	}
	x.unsent, x.troubled = false, false
	return result
}

func (x *execution) failed(t *trouble) api.InvocationResult {
	x.unsent, x.troubled = t.unsent, true
	if t.stale {
		x.source.forget()
	}
	x.toolbox.cfg.Log.Warn("a call of a tool came to nothing", "tool", x.tool.Definition.FullyQualifiedName, "worker", x.source.worker.ID, "execution", x.id, "error", t.Error())
	return api.InvocationResult{Output: api.InvocationOutput{Error: t.toolError(x.tool.harmless())}}
}

package workers

import (
	"context"
	"errors"
	"fmt"

	"github.com/keybearer/keybearer/api"
)

// endpoint is how one speaks to one worker. It is safe for concurrent use.
type endpoint interface {
	// list asks for the tools. Those that are no use are left out, and said so in the complaints.
	list(ctx context.Context) (tools []*Tool, complaints []string, err error)
	// invoke runs a tool, once. The error is a *trouble where it is known what became of the call.
	invoke(ctx context.Context, tool *Tool, in api.Invocation, progress progressFunc) (api.InvocationResult, error)
	// health says whether the worker is there, and what it says of itself.
	health(ctx context.Context) (api.WorkerServerInfo, error)
	close()
}

type progressFunc func(done, total float64, message string)

// trouble is a call that did not come to an answer of the tool's own. Whatever it is, the call is over: who made
// it is told, and nothing is sent a second time that may have been executed.
type trouble struct {
	// kind is one of the kinds of an api.ToolError.
	kind    string
	message string
	// detail is for developers.
	detail string
	// unsent says that the worker cannot have executed anything.
	unsent bool
	status int
	// stale says that the list of tools that is kept cannot be right.
	stale bool
	cause error
}

func (e *trouble) Error() string {
	if e.detail != "" {
		return e.message + " (" + e.detail + ")"
	}
	return e.message
}

func (e *trouble) Unwrap() error { return e.cause }

// toolError is what the caller is told.
func (e *trouble) toolError(harmless bool) *api.ToolError {
	return &api.ToolError{
		Message: e.message, Kind: e.kind, DeveloperMessage: e.detail, StatusCode: e.status,
		CanRetry: e.unsent && e.kind == api.ToolNetworkUnreachable || harmless && (e.kind == api.ToolNetworkTimeout || e.kind == api.ToolNetworkUnmapped),
	}
}

// troubleOf makes a trouble of any error of a call.
func troubleOf(worker string, err error) *trouble {
	if t, ok := errors.AsType[*trouble](err); ok {
		return t
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &trouble{kind: api.ToolNetworkTimeout, message: fmt.Sprintf("worker %s did not answer in time; the tool may have run all the same", worker), cause: err}
	}
	if errors.Is(err, context.Canceled) {
		return &trouble{kind: api.ToolNetworkUnmapped, message: "whoever asked went away before the tool had answered; it may have run all the same", cause: err}
	}
	return &trouble{kind: api.ToolNetworkUnmapped, message: fmt.Sprintf("the connection to worker %s broke before the answer was complete; the tool may have run all the same", worker), detail: cleaned(err.Error()), cause: err}
}

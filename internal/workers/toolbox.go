package workers

import (
	"context"
	"encoding/json"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// Toolbox is all tools of all workers. It is safe for concurrent use. Close it after use.
type Toolbox struct {
	cfg Config
}

// New makes a Toolbox. It calls nobody before it is asked something.
func New(cfg Config) *Toolbox {
	cfg.fill()
	return &Toolbox{cfg: cfg}
}

// Run runs scheduled tools until ctx ends, and waits for those that it has begun.
func (t *Toolbox) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Close ends all sessions with workers and waits for what goes on in the background.
func (t *Toolbox) Close(context.Context) error { return nil }

// Forget drops what is known of workers' tools: the next question asks them again.
func (t *Toolbox) Forget() {}

// Changed gives a channel that gets a value after the list of tools has changed, and a function that ends that.
// Several changes may be one value.
func (t *Toolbox) Changed() (<-chan struct{}, func()) { return make(chan struct{}), func() {} }

// Tools lists the tools that the caller may use, by fully qualified name.
func (t *Toolbox) Tools(context.Context, *keybearer.View, Filter) ([]*Tool, error) {
	return nil, notYet()
}

// Tool finds one. Kinds: NotFound, BadRequest.
func (t *Toolbox) Tool(_ context.Context, _ *keybearer.View, name, version string) (*Tool, error) {
	return nil, notYet()
}

// Authorize starts the authorization that a tool needs, or gives the completed one.
func (t *Toolbox) Authorize(context.Context, *keybearer.View, Call) (keybearer.Authorization, error) {
	return keybearer.Authorization{}, notYet()
}

// Execute runs a tool, or has it run at call.At. A tool that fails is no error: it is in the Execution. A user who has not
// authorized what the tool needs is a *keybearer.AuthorizationRequired.
func (t *Toolbox) Execute(context.Context, *keybearer.View, Call) (api.Execution, error) {
	return api.Execution{}, notYet()
}

// Requirements says what some tools need together for a user, and begins what is missing if authorize is set.
func (t *Toolbox) Requirements(_ context.Context, _ *keybearer.View, tools []api.ToolVersion, user keybearer.UserID, authorize bool) (api.ToolRequirementsAnswer, error) {
	return api.ToolRequirementsAnswer{}, notYet()
}

// ToolFor is a tool's definition with what is there of its requirements; user may be "".
func (t *Toolbox) ToolFor(_ context.Context, _ *keybearer.View, tool *Tool, user keybearer.UserID) (api.Tool, error) {
	return tool.Definition, nil
}

// Scheduled lists a page of scheduled tools, latest first, and counts all.
func (t *Toolbox) Scheduled(_ context.Context, _ *keybearer.View, limit, offset int) ([]api.ScheduledTool, int, error) {
	return nil, 0, notYet()
}

// ScheduledRun gives one with its input and attempts. Kind: NotFound.
func (t *Toolbox) ScheduledRun(_ context.Context, _ *keybearer.View, id string) (api.ScheduledToolDetail, error) {
	return api.ScheduledToolDetail{}, notYet()
}

// Health asks a worker whether it is there. Kinds: NotFound, PermissionDenied.
func (t *Toolbox) Health(context.Context, *keybearer.View, keybearer.WorkerID) (api.WorkerHealth, error) {
	return api.WorkerHealth{}, notYet()
}

// WorkerTools lists the tools of one worker. Kinds: NotFound, PermissionDenied.
func (t *Toolbox) WorkerTools(context.Context, *keybearer.View, keybearer.WorkerID) ([]*Tool, error) {
	return nil, notYet()
}

// Test tries a worker that is not registered yet.
func (t *Toolbox) Test(context.Context, *keybearer.View, keybearer.WorkerDraft) (api.WorkerTestResult, error) {
	return api.WorkerTestResult{}, notYet()
}

// OpenAI is the tool as the function calling of OpenAI has it.
func (t *Tool) OpenAI() json.RawMessage { return nil }

// Anthropic is the tool as Anthropic's tool use has it.
func (t *Tool) Anthropic() json.RawMessage { return nil }

func notYet() error { return keybearer.Errorf(keybearer.NotImplemented, "tools are not there yet") }

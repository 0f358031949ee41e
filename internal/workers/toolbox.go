package workers

import (
	"context"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// Toolbox is all tools of all workers. It is safe for concurrent use.
type Toolbox struct{}

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

func notYet() error { return keybearer.Errorf(keybearer.NotImplemented, "tools are not there yet") }

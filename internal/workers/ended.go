package workers

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

// record writes the audit's line.
func (x *execution) record(result *api.InvocationResult) {
	line := keybearer.ToolCall{Tool: x.tool.Definition.FullyQualifiedName, Worker: x.source.worker.ID, User: x.call.User}
	if x.loan.Token != nil {
		line.Provider = x.loan.Token.Ref.Provider
	}
	var err error
	switch e := result.Output.Error; {
	case e != nil: // its message may tell what is the user's
		err = keybearer.Errorf(kindOf(e.Kind), "%s", e.Kind)
	case result.Output.RequiresAuthorization != nil:
		err = keybearer.Errorf(keybearer.PermissionDenied, "it asks for more authorization")
	}
	x.view.RecordCall(line, err)
}

func kindOf(tool string) keybearer.Kind {
	switch {
	case strings.HasPrefix(tool, "NETWORK_"):
		return keybearer.Unavailable
	case tool == api.ToolBadInput || tool == api.ToolRetry || tool == api.ToolContextRequired:
		return keybearer.BadRequest
	case tool == api.ToolUpstreamAuth:
		return keybearer.Reauthorize
	case tool == api.ToolRequirementsNotMet:
		return keybearer.NotFound
	}
	return keybearer.ProviderRefused
}

// ended says how it ended in the words of the API.
func (x *execution) ended(result api.InvocationResult, took time.Duration) api.Execution {
	x.clean(&result)
	out := &api.ExecutionOutput{Value: result.Output.Value, Error: result.Output.Error, Logs: result.Output.Logs}
	done := api.Execution{
		ID: x.id, ExecutionID: x.id, ExecutionType: typeImmediate, Status: statusSuccess, Success: result.Success && out.Error == nil,
		Duration: result.Duration, FinishedAt: time.Now().UTC().Format(time.RFC3339), Output: out,
	}
	if more := result.Output.RequiresAuthorization; more != nil {
		out.Authorization = &api.Authorization{
			ID: more.AuthorizationID, Status: api.AuthorizationStatus(more.Status), URL: more.AuthorizationURL,
			UserID: string(x.call.User), Scopes: more.Scopes,
		}
		if out.Authorization.Status == "" {
			out.Authorization.Status = api.Pending
		}
		if x.loan.Token != nil {
			out.Authorization.ProviderID = string(x.loan.Token.Ref.Provider)
		}
		if out.Authorization.Scopes == nil {
			out.Authorization.Scopes = []string{}
		}
		done.Success = false
	}
	if !done.Success {
		done.Status = statusFailed
	}
	if done.Duration <= 0 {
		done.Duration = float64(took.Microseconds()) / 1000
	}
	return done
}

// clean takes out of what a worker says of a failure, and of its logs, what the worker was lent, and the stack trace
// unless it is asked for.
func (x *execution) clean(result *api.InvocationResult) {
	var pairs []string
	hide := func(s secret.String) {
		if len(s.Reveal()) >= minHidden {
			pairs = append(pairs, s.Reveal(), secret.Redacted)
		}
	}
	if x.loan.Token != nil {
		hide(x.loan.Token.Access)
	}
	for _, s := range x.loan.Secrets {
		hide(s)
	}
	lent := strings.NewReplacer(pairs...)
	if e := result.Output.Error; e != nil {
		if !x.call.Stacktrace {
			e.Stacktrace = ""
		}
		for _, text := range []*string{&e.Message, &e.DeveloperMessage, &e.AdditionalPromptContent, &e.Stacktrace} {
			*text = lent.Replace(*text)
		}
		for key, value := range e.Extra {
			e.Extra[key] = json.RawMessage(lent.Replace(string(value)))
		}
	}
	for i := range result.Output.Logs {
		result.Output.Logs[i].Message = lent.Replace(result.Output.Logs[i].Message)
	}
}

// minHidden is how long a secret is at least that is looked for: a shorter one may stand in any text.
const minHidden = 6

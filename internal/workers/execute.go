package workers

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
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

func (x *execution) invocation() api.Invocation {
	d := &x.tool.Definition
	in := api.Invocation{
		RunID: x.id, ExecutionID: x.id, CreatedAt: time.Now().UTC().Format(time.RFC3339),
		Tool: api.InvocationTool{Name: x.tool.wire, Toolkit: d.Toolkit.Name, Version: d.Toolkit.Version}, Inputs: x.call.Input,
		Context: api.InvocationContext{UserID: string(x.call.User), Secrets: []api.Keyed{}, Metadata: []api.Keyed{}},
	}
	if in.Inputs == nil {
		in.Inputs = map[string]json.RawMessage{}
	}
	for _, key := range x.tool.secrets() {
		in.Context.Secrets = append(in.Context.Secrets, api.Keyed{Key: key, Value: x.loan.Secrets[key].Reveal()})
	}
	known := map[string]string{"client_id": x.loan.ClientID, "coordinator_url": x.toolbox.cfg.PublicURL}
	for _, key := range x.tool.metadata {
		if value := known[strings.ToLower(key)]; value != "" {
			in.Context.Metadata = append(in.Context.Metadata, api.Keyed{Key: key, Value: value})
		}
	}
	if token := x.loan.Token; token != nil {
		in.Context.Authorization = &api.InvocationAuthorization{
			Token: token.Access.Reveal(), UserInfo: json.RawMessage("{}"), Kind: string(token.Kind), Username: token.Username,
			ExpiresAt: token.ExpiresAt, Sites: siteList(x.loan.Sites),
		}
		if bytes.HasPrefix(token.UserInfo, []byte("{")) { // published workers take an object, and not null
			in.Context.Authorization.UserInfo = token.UserInfo
		}
	}
	return in
}

func siteList(l *keybearer.SiteList) *api.SiteList {
	if l == nil {
		return nil
	}
	sites := func(from []keybearer.Site) []api.Site {
		out := make([]api.Site, len(from))
		for i, s := range from {
			out[i] = api.Site(s)
		}
		return out
	}
	return &api.SiteList{
		Sites: sites(l.Sites), Site: l.Site, Chosen: l.Chosen, Problem: l.Problem, ReadAt: l.ReadAt,
		Appeared: sites(l.Appeared), Vanished: sites(l.Vanished), ChangedAt: l.ChangedAt,
	}
}

// refusedToken reports whether the provider did not take the user's token.
func refusedToken(r *api.InvocationResult) bool {
	e := r.Output.Error
	return e != nil && (e.Kind == api.ToolUpstreamAuth || e.StatusCode == http.StatusUnauthorized)
}

// renewed exchanges a token that the provider refused, and calls the tool once more where that does no harm. If there
// is no other token the error stands, with the link to the authorization that would help.
func (x *execution) renewed(ctx context.Context, result api.InvocationResult) api.InvocationResult {
	loan, err := x.view.Lend(ctx, x.request(x.loan.Token.Access))
	if required, ok := errors.AsType[*keybearer.AuthorizationRequired](err); ok {
		result.Output.RequiresAuthorization = asked(&required.Authorization)
		return result
	}
	if err != nil {
		x.toolbox.cfg.Log.Warn("a token that a provider refused could not be renewed", "tool", x.tool.Definition.FullyQualifiedName, "execution", x.id, "error", err)
		return result
	}
	if !result.Output.Error.CanRetry && !x.tool.harmless() {
		return result // the next call gets the new token
	}
	x.loan = loan
	return x.invoke(ctx)
}

func isLink(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && len(text) <= maxLink
}

func asked(a *keybearer.Authorization) *api.WorkerAuthorizationRequest {
	return &api.WorkerAuthorizationRequest{
		AuthorizationURL: a.URL, AuthorizationID: string(a.ID), Scopes: a.Scopes, Status: string(a.Status),
	}
}

// askForMore begins the authorization that a tool asks for in the middle, unless its worker has begun one.
func (x *execution) askForMore(ctx context.Context, result *api.InvocationResult) {
	more := result.Output.RequiresAuthorization
	ask := x.tool.authorization()
	if more.AuthorizationURL != "" && !isLink(more.AuthorizationURL) { // people are going to click on it
		x.toolbox.cfg.Log.Warn("a worker wants its users to open what is no web address", "worker", x.source.worker.ID, "tool", x.tool.Definition.FullyQualifiedName)
		more.AuthorizationURL = ""
	}
	if more.AuthorizationURL != "" {
		return
	}
	if ask == nil { // nobody knows where
		result.Output.RequiresAuthorization = nil
		if result.Output.Error == nil {
			result.Output.Error = &api.ToolError{Kind: api.ToolRequirementsNotMet, Message: "the tool asks for an authorization, and does not say where"}
		}
		return
	}
	ask.User, ask.NextURI = x.call.User, x.call.NextURI
	if x.loan.Token != nil { // what was granted is to stay granted
		ask.ID, ask.ProviderID = x.loan.Token.Ref.Provider, ""
	}
	ask.Scopes = slices.Concat(ask.Scopes, more.Scopes)
	a, err := x.view.Authorize(ctx, *ask)
	if err != nil {
		x.toolbox.cfg.Log.Warn("a tool asks for an authorization that cannot be begun", "tool", x.tool.Definition.FullyQualifiedName, "error", err)
		if result.Output.Error == nil {
			result.Output.Error = &api.ToolError{Kind: api.ToolRequirementsNotMet, Message: "the tool asks for more authorization, which cannot be begun: " + err.Error()}
		}
		result.Output.RequiresAuthorization = nil
		result.Success = false
		return
	}
	result.Output.RequiresAuthorization = asked(&a)
}

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

const maxLink = 4096

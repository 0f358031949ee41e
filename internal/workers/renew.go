package workers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

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

const maxLink = 4096

package tool

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/secret"
)

// Source is where a program that serves MCP gets what its tools need. As a worker it needs none: engines hand everything over.
// Its methods may be called concurrently.
type Source interface {
	// User is who the tools run for.
	User() string
	// Authorize gives the user's authorization for a requirement: completed, with a token, or pending, with the URL that the user
	// has to open.
	Authorize(ctx context.Context, r Requirement) (keybearer.Authorization, error)
	// Wait waits until an authorization is completed, fails, or ctx ends.
	Wait(ctx context.Context, id keybearer.AuthorizationID) (keybearer.Authorization, error)
	// Secret gives a secret by its key; NotFound where there is none.
	Secret(ctx context.Context, key string) (secret.String, error)
}

// Engine is a Source that asks a running engine for one user's authorizations. Secrets are variables of this program's environment: an
// engine gives its own to workers only.
func Engine(c *client.Client, user string) Source {
	return &engineSource{client: c, user: user, env: os.Getenv}
}

type engineSource struct {
	client *client.Client
	user   string
	env    func(string) string
}

func (s *engineSource) User() string { return s.user }

func (s *engineSource) Authorize(ctx context.Context, r Requirement) (keybearer.Authorization, error) {
	return s.client.Authorize(ctx, keybearer.AuthorizeRequest{
		ID: keybearer.ProviderID(r.ID), ProviderID: r.Type, ProviderType: "oauth2", Scopes: r.Scopes, User: keybearer.UserID(s.user),
	})
}

func (s *engineSource) Wait(ctx context.Context, id keybearer.AuthorizationID) (keybearer.Authorization, error) {
	return s.client.Wait(ctx, id)
}

func (s *engineSource) Secret(_ context.Context, key string) (secret.String, error) {
	return secretOf(s.env, key)
}

func secretOf(env func(string) string, key string) (secret.String, error) {
	if value := env(key); value != "" {
		return secret.New(value), nil
	}
	return secret.String{}, keybearer.Errorf(keybearer.NotFound, "the secret %s is not there: set the environment variable %s", key, key)
}

// nobody is the Source of a program that was told of no engine: tools that need no authorization work all the same.
type nobody struct{ env func(string) string }

func (nobody) User() string { return "" }

func (nobody) Authorize(context.Context, Requirement) (keybearer.Authorization, error) {
	return keybearer.Authorization{}, errNoEngine()
}

func (nobody) Wait(context.Context, keybearer.AuthorizationID) (keybearer.Authorization, error) {
	return keybearer.Authorization{}, errNoEngine()
}

func (n nobody) Secret(_ context.Context, key string) (secret.String, error) {
	return secretOf(n.env, key)
}

func errNoEngine() error {
	return keybearer.Errorf(keybearer.NotFound, "this tool needs your authorization, and no engine is named to get it from: set %s, %s and %s", engineVariable, keyVariable, userVariable)
}

// borrow gets what a tool needs for one call. A pending authorization is an *[keybearer.AuthorizationRequired].
func (t *Tool) borrow(ctx context.Context, from Source) (*Call, error) {
	c := &Call{tool: t, user: from.User(), secrets: map[string]secret.String{}, metadata: map[string]string{}}
	for _, key := range t.secrets {
		value, err := from.Secret(ctx, key)
		if err != nil {
			return nil, &Error{Kind: api.ToolRequirementsNotMet, Message: err.Error()}
		}
		c.secrets[key] = value
	}
	if t.requires == nil {
		return c, nil
	}
	a, err := from.Authorize(ctx, *t.requires)
	if err != nil {
		return nil, err
	}
	if a.Status != keybearer.AuthorizationCompleted || a.Token == nil {
		return nil, &keybearer.AuthorizationRequired{Tool: t.name, Authorization: a}
	}
	c.lent = lent(&a)
	return c, nil
}

// lent is an authorization as workers are handed it.
func lent(a *keybearer.Authorization) *api.InvocationAuthorization {
	out := &api.InvocationAuthorization{Token: a.Token.Access.Reveal(), Username: a.Token.Username, ExpiresAt: a.Token.ExpiresAt}
	if json.Valid(a.Token.UserInfo) {
		out.UserInfo = a.Token.UserInfo
	}
	if a.Token.Kind != keybearer.Consented {
		out.Kind = a.Token.Kind.String()
	}
	if l := a.Sites; l != nil {
		out.Sites = &api.SiteList{Site: l.Site, Chosen: l.Chosen, Problem: l.Problem, ReadAt: l.ReadAt}
		for _, s := range l.Sites {
			out.Sites.Sites = append(out.Sites.Sites, api.Site(s))
		}
	}
	return out
}

// asMissing tells an authorization that is missing from other errors.
func asMissing(err error) (*keybearer.AuthorizationRequired, bool) {
	return errors.AsType[*keybearer.AuthorizationRequired](err)
}

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

const (
	// pollFor is what one long poll asks for; pollLimit is what it may take.
	pollFor   = 55 * time.Second
	pollLimit = 75 * time.Second
	// pollPause is between polls that end early, as they do while an engine shuts down.
	pollPause = time.Second
)

// Authorize asks for a user's authorization at a provider: completed, with a token, where the user's
// grant covers the scopes, else pending, with the URL that the user has to open.
// Kinds: those of [keybearer.View.Authorize], and Unavailable without an answer.
func (c *Client) Authorize(ctx context.Context, r keybearer.AuthorizeRequest) (keybearer.Authorization, error) {
	name := r.ProviderID
	if r.ID != "" {
		name = string(r.ID)
	}
	var out api.Authorization
	err := c.do(ctx, request{
		op: fmt.Sprintf("authorizing %s at %s", r.User, name), method: http.MethodPost, path: "/v1/auth/authorize", into: &out,
		body: api.AuthorizeRequest{
			AuthRequirement: api.Requirement{
				ID: string(r.ID), ProviderID: r.ProviderID, ProviderType: r.ProviderType,
				OAuth2: api.RequirementOAuth2{Scopes: r.Scopes},
			},
			UserID: string(r.User), NextURI: r.NextURI, Connection: r.Connection, RefusedToken: r.Refused.Reveal(),
		},
	})
	return authorization(&out), err
}

// Status tells at once how an authorization stands; a failed one is no error here.
func (c *Client) Status(ctx context.Context, id keybearer.AuthorizationID) (keybearer.Authorization, error) {
	return c.status(ctx, id, 0)
}

// Wait waits until an authorization is completed, or ctx ends. One that fails is an error of kind
// AuthorizationFailed or AuthorizationEnded. It lasts as long as ctx permits: give it a deadline.
func (c *Client) Wait(ctx context.Context, id keybearer.AuthorizationID) (keybearer.Authorization, error) {
	for {
		began := time.Now()
		a, err := c.status(ctx, id, pollFor)
		switch {
		case err != nil:
			return a, err
		case a.Status == keybearer.AuthorizationCompleted:
			return a, nil
		case a.Status == keybearer.AuthorizationFailure:
			return a, failure(a)
		}
		if ctx.Err() != nil || time.Since(began) < pollFor && !sleep(ctx, pollPause) {
			return a, &keybearer.Error{Kind: keybearer.Unavailable, Op: fmt.Sprintf("waiting for %s", id), Err: context.Cause(ctx)}
		}
	}
}

func failure(a keybearer.Authorization) error {
	if a.Failure == nil {
		return keybearer.Errorf(keybearer.AuthorizationFailed, "the authorization failed: start a new one")
	}
	return a.Failure
}

func (c *Client) status(ctx context.Context, id keybearer.AuthorizationID, wait time.Duration) (keybearer.Authorization, error) {
	r := request{
		op: fmt.Sprintf("asking for %s", id), method: http.MethodGet, path: "/v1/auth/status",
		query: url.Values{"id": {string(id)}},
	}
	if wait > 0 {
		r.query.Set("wait", strconv.Itoa(int(wait/time.Second)))
		r.limit = pollLimit
	}
	var out api.Authorization
	r.into = &out
	err := c.do(ctx, r)
	return authorization(&out), err
}

// Confirm says, from an app's verifier, which of its users is at the browser of a flow.
// Kinds: NotFound, UserMismatch, AuthorizationEnded, AuthorizationFailed.
func (c *Client) Confirm(ctx context.Context, flow keybearer.FlowID, user keybearer.UserID) (keybearer.Confirmation, error) {
	var out api.Confirmation
	err := c.do(ctx, request{
		op: "confirming the user of a flow", method: http.MethodPost, path: "/v1/auth/confirm_user", into: &out,
		body: api.ConfirmRequest{FlowID: string(flow), UserID: string(user)},
	})
	return keybearer.Confirmation{Authorization: keybearer.AuthorizationID(out.AuthID), NextURI: out.NextURI}, err
}

// TryVerifier starts a flow that only tries a user verifier: open the URL in a browser that is
// signed in at the app.
func (c *Client) TryVerifier(ctx context.Context, user keybearer.UserID, verifierURL string) (keybearer.FlowID, string, error) {
	var out api.VerifierTrialFlow
	err := c.do(ctx, request{
		op: "trying a verifier", method: http.MethodPost, path: "/v1/auth/validate_custom_verifier", into: &out,
		body: api.VerifierTrial{UserID: string(user), VerifierURL: verifierURL},
	})
	return keybearer.FlowID(out.FlowID), out.NextURI, err
}

// Token implements [keybearer.TokenSource]. Where the user has to consent first, the error is of kind
// Reauthorize and its text has the URL to open; asking leaves a pending authorization at the engine.
func (c *Client) Token(ctx context.Context, ref keybearer.Ref, scopes ...string) (keybearer.Token, error) {
	return c.token(ctx, ref, keybearer.AuthorizeRequest{Scopes: scopes})
}

// Renew implements [keybearer.Renewer]: the engine refreshes a token that the provider's API has refused,
// once, however many report it.
func (c *Client) Renew(ctx context.Context, ref keybearer.Ref, refused secret.String) (keybearer.Token, error) {
	return c.token(ctx, ref, keybearer.AuthorizeRequest{Refused: refused})
}

func (c *Client) token(ctx context.Context, ref keybearer.Ref, r keybearer.AuthorizeRequest) (keybearer.Token, error) {
	r.ID, r.User, r.Connection = ref.Provider, ref.User, ref.Name
	a, err := c.Authorize(ctx, r)
	if err != nil {
		return keybearer.Token{}, err
	}
	if a.Token == nil {
		return keybearer.Token{}, keybearer.Errorf(keybearer.Reauthorize, "%s has to consent first: open %s", ref, a.URL)
	}
	a.Token.Ref.Project, a.Token.Ref.Name = ref.Project, ref.Name
	return *a.Token, nil
}

func authorization(in *api.Authorization) keybearer.Authorization {
	out := keybearer.Authorization{
		ID: keybearer.AuthorizationID(in.ID), Status: keybearer.AuthorizationStatus(in.Status), URL: in.URL,
		User: keybearer.UserID(in.UserID), Provider: keybearer.ProviderID(in.ProviderID), Scopes: in.Scopes,
	}
	if in.Context.Token != "" {
		out.Token = &keybearer.Token{
			Ref:    keybearer.Ref{User: out.User, Provider: out.Provider},
			Kind:   keybearer.ConnectionKind(in.Context.Kind),
			Access: secret.New(in.Context.Token), Username: in.Context.Username, Scopes: slices.Clone(in.Scopes),
			ExpiresAt: in.Context.ExpiresAt, UserInfo: json.RawMessage(in.Context.UserInfo),
		}
	}
	out.Sites = siteList(in.Context.Sites)
	if f := in.Failure; f != nil {
		out.Failure = &keybearer.Error{Kind: keybearer.Kind(f.Name), Err: errors.New(f.Message)}
	}
	return out
}

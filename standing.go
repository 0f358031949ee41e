package keybearer

import (
	"context"
	"errors"
	"slices"
)

// AuthorizationNotStarted is the status where nobody has asked the user yet; see [View.Standing].
const AuthorizationNotStarted AuthorizationStatus = "not_started"

// Standing is how it stands with an authorization that nobody has asked for yet.
type Standing struct {
	// Provider is the one that would be asked, or "" where there is none.
	Provider ProviderID
	// Problem says for people why the authorization cannot be had, or "".
	Problem string
	// Token is completed, failed or not_started for the user that was asked about, or "" where none was.
	Token AuthorizationStatus
}

// Standing looks how it stands, and starts nothing. Kinds: BadRequest, PermissionDenied.
func (v *View) Standing(ctx context.Context, r AuthorizeRequest) (Standing, error) {
	if r.User != "" {
		if err := CheckUserID(r.User); err != nil {
			return Standing{}, err
		}
		if err := v.b.check(&r); err != nil { // of what a tool declares: one bad tool must not spoil a list
			return Standing{Problem: err.Error()}, nil
		}
	}
	p, err := v.resolve(ctx, r)
	switch {
	case errors.Is(err, ProviderNotFound), errors.Is(err, ProviderInactive), errors.Is(err, AmbiguousProvider), errors.Is(err, BadRequest):
		return Standing{Problem: err.Error()}, nil
	case err != nil:
		return Standing{}, err
	}
	s := Standing{Provider: p.ID}
	if r.User == "" {
		return s, nil
	}
	ref := Ref{Project: v.caller.Project, User: r.User, Provider: p.ID, Name: r.Connection}
	if !v.caller.mayUse(ref.User, ref.Provider) {
		return Standing{}, Errorf(PermissionDenied, "permission denied: this API key may not act for this user")
	}
	if len(r.Scopes) == 0 {
		r.Scopes = p.Definition.Scopes.Default
	}
	wanted := slices.DeleteFunc(slices.Clone(r.Scopes), func(s string) bool { return slices.Contains(p.Definition.Scopes.Always, s) })
	c, err := v.b.cfg.Connections.Connection(ctx, ref)
	switch {
	case errors.Is(err, NotFound):
		s.Token = AuthorizationNotStarted
	case err != nil:
		return Standing{}, err
	case c.State != ConnectionActive:
		s.Token = AuthorizationFailure
	case !c.covers(wanted):
		s.Token = AuthorizationNotStarted
	default:
		s.Token = AuthorizationCompleted
	}
	return s, nil
}

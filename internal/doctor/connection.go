package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

// checkConnection reports whether there is a connection that can be tried. connected says that the user has
// one to another provider, so that it is no problem to have none here.
func (c *chart) checkConnection(connected bool) bool {
	f := Finding{Check: "connection.state"}
	defer func() { c.note(f) }()
	switch {
	case c.user == "":
		f.Verdict, f.Saw = Skipped, "nobody's connection was looked at, and so no token, site or product"
		f.Do = "Name a user: keybearer doctor atlassian --user alice@example.com; keybearer connection list shows who is connected"
		return false
	case c.connection == nil && connected:
		f.Verdict, f.Saw = Skipped, fmt.Sprintf("%s has no connection to %s", c.user, c.p.ID)
		return false
	case c.connection == nil:
		f.Verdict, f.Saw = Problem, fmt.Sprintf("%s has no connection to %s", c.user, c.p.ID)
		f.Do = "Let an app ask for one (POST /v1/auth/authorize) and the user open the url of the answer, or store a token with keybearer connection add"
		return false
	case c.connection.ConnectionStatus != string(keybearer.ConnectionActive):
		f.Verdict, f.Class, f.Saw = Problem, atlassian.ClassReconsent, c.connection.StatusReason
		f.Do = "The user has to authorize again: the next POST /v1/auth/authorize of an app answers with the url to open"
		return false
	}
	f.Verdict, f.Saw = OK, fmt.Sprintf("%s is connected by %s (%s)", c.user, c.connection.Kind, c.connection.ID)
	return true
}

// findConnection reads the user's connection to this provider, if there is one.
func (c *chart) findConnection(ctx context.Context) error {
	if c.user == "" {
		return nil
	}
	page, err := c.Engine.Connections(ctx, keybearer.ConnectionFilter{User: keybearer.UserID(c.user), Provider: keybearer.ProviderID(c.p.ID), Limit: 1})
	if err == nil && len(page.Items) > 0 {
		c.connection = &page.Items[0]
	}
	return err
}

// ref addresses the connection.
func (c *chart) ref() keybearer.Ref {
	return keybearer.Ref{User: keybearer.UserID(c.connection.UserID), Provider: keybearer.ProviderID(c.p.ID)}
}

// takeToken asks the engine for the token, as an app does.
func (c *chart) takeToken(ctx context.Context) bool {
	var err error
	if c.token, err = c.Engine.Token(ctx, c.ref()); err != nil {
		f := c.refused(ctx, err)
		f.Check = "connection.token"
		c.note(f)
		return false
	}
	c.note(Finding{Check: "connection.token", Verdict: OK, Saw: "the engine hands out a token"})
	return true
}

// refused is what the engine says where it has no token to give.
func (c *chart) refused(ctx context.Context, err error) Finding {
	f := Finding{Verdict: Problem, Saw: err.Error()}
	if said, ok := errors.AsType[*keybearer.Error](err); ok && said.Err != nil { // without what was asked of the engine
		f.Saw = said.Err.Error()
	}
	switch kind := keybearer.KindOf(err); kind {
	case keybearer.Reauthorize: // it says which link to open, and the connection says why
		c.ended = true
		f.Class, f.Do, f.Saw = atlassian.ClassReconsent, f.Saw, "the connection has ended"
		if c.findConnection(ctx) == nil && c.connection.StatusReason != "" {
			f.Saw = c.connection.StatusReason
		}
	case keybearer.ProviderRefused:
		f.Class, f.Do = atlassian.ClassConfig, "Users need do nothing: the grant is kept, and works again when the provider's settings are in order"
	case keybearer.ProviderAway, keybearer.Unavailable, keybearer.RateLimited:
		f.Class, f.Do = atlassian.ClassTransient, "Try again later; the grant is kept"
	}
	return f
}

// answer is what an API said, and what that means.
type answer struct {
	*http.Response
	failure *atlassian.Failure // nil for a success
	rate    atlassian.RateLimit
	refused *Finding // of the engine, where it has no renewed token to give
}

// ask puts a question to an API with the token, and once more with a renewed one where that may do: what
// apps are told to do. The caller closes the body.
func (c *chart) ask(ctx context.Context, address string) (answer, error) {
	a, err := c.once(ctx, address)
	if err != nil || a.failure == nil || !a.failure.Renew || !c.renewable() {
		return a, err
	}
	renewed, err := c.Engine.Renew(ctx, c.ref(), c.token.Access)
	if err != nil {
		f := c.refused(ctx, err)
		a.refused = &f
		return a, nil
	}
	if renewed.Access.Equal(c.token.Access) {
		return a, nil
	}
	_ = a.Body.Close()
	c.token = renewed
	return c.once(ctx, address)
}

// renewable reports whether the engine can get another token. Of those that somebody made there is no other.
func (c *chart) renewable() bool {
	return c.connection.Kind == keybearer.Consented.String() || c.connection.Kind == keybearer.ServiceAccount.String()
}

func (c *chart) once(ctx context.Context, address string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", c.token.Authorization().Reveal())
	res, err := c.HTTP.Do(req)
	if err != nil {
		return answer{}, errors.New(reasonOf(err))
	}
	now := c.Now()
	return answer{
		Response: res, failure: atlassian.Explain(res, c.token.Scopes, now), rate: atlassian.ReadRateLimit(res.StatusCode, res.Header, now),
	}, nil
}

// explain lays a failure over a finding.
func (a *answer) explain(f *Finding) {
	f.Verdict, f.Class, f.Until = Problem, a.failure.Class, a.failure.RateLimit.Until
	f.Saw = fmt.Sprintf("%s %s answered %d", a.failure.Method, a.failure.Path, a.failure.Status)
	if a.failure.Said != "" {
		f.Saw += fmt.Sprintf(" (%s)", a.failure.Said)
	}
	f.Do = a.failure.Advice
	if a.refused != nil {
		f.Class, f.Saw, f.Do = a.refused.Class, f.Saw+", and the engine has no other token: "+a.refused.Saw, a.refused.Do
	}
}

// Package doctor looks for what is wrong with the Atlassian providers of a running engine, and with a
// user's connection to them: settings, the way to the authorize page, scopes, sites, one question to each
// product, rates, and how long all of it will last.
//
// It owns the order of the walk and the verdicts. What Atlassian's answers mean is the matter of package
// atlassian; the engine is asked as any program asks it. Nothing is changed, with one exception that apps
// share: to be given a token may make the engine refresh one, and a token that an API refuses is renewed
// once. No finding holds a token or a secret.
package doctor

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/secret"
)

// Engine is what the doctor asks of a running engine; [client.Client] is one.
type Engine interface {
	Providers(ctx context.Context) ([]api.Provider, error)
	Connections(ctx context.Context, f keybearer.ConnectionFilter) (api.Page[api.Connection], error)
	Token(ctx context.Context, ref keybearer.Ref, scopes ...string) (keybearer.Token, error)
	Renew(ctx context.Context, ref keybearer.Ref, refused secret.String) (keybearer.Token, error)
}

// Doctor looks at Atlassian through an engine. It asks Atlassian from the machine that it runs on.
type Doctor struct {
	Engine Engine
	// HTTP carries the requests to Atlassian; nil means one with usual settings. Redirects are not followed.
	HTTP *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Wanted says what to look at.
type Wanted struct {
	// Provider is one provider's id; empty means all of Atlassian's.
	Provider string
	// User is whose connections are looked at; empty looks at none.
	User string
	// Scopes are what apps are going to ask for; empty means those that were granted.
	Scopes []string
}

// askLife bounds one request to Atlassian.
const askLife = 20 * time.Second

// Atlassian looks. Errors are those of the engine, and of what is wanted: NotFound and BadRequest for a
// provider that is not there or not Atlassian's. Everything else is a finding.
func (d Doctor) Atlassian(ctx context.Context, w Wanted) (Report, error) {
	if d.Now == nil {
		d.Now = time.Now
	}
	d.HTTP = unfollowing(d.HTTP)
	var r Report
	providers, err := d.providers(ctx, w)
	if err != nil {
		return r, err
	}
	if len(providers) == 0 {
		r.add(Finding{
			Check: "config.provider", Verdict: Problem, Saw: "the engine has no provider of Atlassian's",
			Do: "Install one: keybearer provider add atlassian --type atlassian --client-id ... (also " + strings.Join(types()[1:], ", ") + "), or write it into engine.yaml",
		})
		return r, nil
	}
	charts := make([]*chart, len(providers))
	connected := false // somewhere, which is enough where no provider was named
	for i := range providers {
		charts[i] = &chart{Doctor: d, r: &r, p: &providers[i], user: w.User, wanted: w.Scopes}
		if err := charts[i].findConnection(ctx); err != nil {
			return r, err
		}
		connected = connected || charts[i].connection != nil
	}
	for _, c := range charts {
		c.examine(ctx, connected)
	}
	return r, nil
}

// examine walks through one provider.
func (c *chart) examine(ctx context.Context, connected bool) {
	c.checkConfig()
	c.checkWay(ctx)
	c.checkScopes()
	if !c.checkConnection(connected) {
		return
	}
	c.checkProducts(ctx)
	if !c.ended {
		c.checkHorizon()
	}
}

// chart is what is known of one provider and one user's connection to it.
type chart struct {
	Doctor
	r          *Report
	p          *api.Provider
	user       string
	connection *api.Connection // nil: none, or nobody's was asked for
	wanted     []string
	token      keybearer.Token
	sites      []atlassian.Site
	ended      bool // only a new consent gives a token again
}

// note adds a finding about this provider.
func (c *chart) note(f Finding) {
	f.Provider = c.p.ID
	c.r.add(f)
}

// types are the bundled types that the doctor knows.
func types() []string {
	return []string{"atlassian", "atlassian-data-center", "bitbucket", "bitbucket-data-center"}
}

func (d Doctor) providers(ctx context.Context, w Wanted) ([]api.Provider, error) {
	all, err := d.Engine.Providers(ctx)
	if err != nil {
		return nil, err
	}
	if w.Provider == "" {
		return slices.DeleteFunc(all, func(p api.Provider) bool { return !slices.Contains(types(), p.ProviderID) }), nil
	}
	for _, p := range all {
		switch {
		case p.ID != w.Provider:
		case !slices.Contains(types(), p.ProviderID):
			return nil, keybearer.Errorf(keybearer.BadRequest, "the provider %s is not of a type of Atlassian's (%s)", p.ID, strings.Join(types(), ", "))
		default:
			return []api.Provider{p}, nil
		}
	}
	return nil, keybearer.Errorf(keybearer.NotFound, "there is no provider %q; keybearer provider list shows those that there are", w.Provider)
}

// unfollowing is a client that follows no redirect: they are what is looked at, and the token must not wander.
func unfollowing(given *http.Client) *http.Client {
	h := http.Client{}
	if given != nil {
		h = *given
	}
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &h
}

func (c *chart) isCloud() bool { return c.p.ProviderID == "atlassian" }

// reasonOf is an error for people: those of package net/http repeat the URL, with its query.
func reasonOf(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

func valueOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

package keybearer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// Site is one of a provider's sites that a token reaches: a tenant with an address of its own.
type Site struct {
	// ID is the provider's: at Atlassian the cloud id.
	ID string `json:"id"`
	// Name is fit to be shown.
	Name string `json:"name,omitempty"`
	// URL is where people find it, without a path; empty if the provider named none that can be used.
	URL string `json:"url,omitempty"`
	// Scopes are those that the token has there, sorted. They say nothing about what its user may do.
	Scopes []string `json:"scopes,omitempty"`
	// Products are those that the scopes speak of, such as jira and confluence, sorted.
	Products []string `json:"products,omitempty"`
}

// String names the site to people.
func (s Site) String() string { return cmp.Or(s.Name, s.URL, s.ID) + " (" + s.ID + ")" }

// SiteRules know the sites of the providers whose definitions have a sites_request. Their errors are for
// people, and have a [Kind]. They must be safe for concurrent use.
type SiteRules interface {
	// ReadSites reads the answer to a sites_request: each site once, in an order that does not change.
	ReadSites(answer []byte) ([]Site, error)
	// SelectSite finds the site that is meant by an id, an address or a name, and where wanted is empty
	// the only one. It never guesses: its errors list what there is to choose from.
	SelectSite(sites []Site, wanted string) (Site, error)
	// SiteAddress gives the address to which a request meant for an address of one of the sites has to be
	// sent. Gateway is scheme and host of where the sites were asked for.
	SiteAddress(sites []Site, gateway string, u *url.URL) (*url.URL, error)
}

// SiteList is what a provider said of a connection's sites when it was asked last.
type SiteList struct {
	// Sites may be empty: then the token is valid, but reaches nothing.
	Sites []Site `json:"sites"`
	// ReadAt is when the provider said so.
	ReadAt time.Time `json:"read_at"`
	// Chosen is the id of the site that somebody chose, or "". It stays when that site vanishes.
	Chosen string `json:"chosen,omitempty"`
	// Appeared and Vanished are what the list had more and less than the one before, when it changed last,
	// at ChangedAt.
	Appeared  []Site    `json:"appeared,omitempty"`
	Vanished  []Site    `json:"vanished,omitempty"`
	ChangedAt time.Time `json:"changed_at,omitzero"`

	// Site is the id of the site in use: the chosen one, or the only one; "" where somebody has to choose.
	Site string `json:"-"`
	// Problem says for people why there is none in use, and what to do.
	Problem string `json:"-"`
}

const (
	// sitesAge is how old a list is read anew at a refresh, which does not need it.
	sitesAge = 6 * time.Hour
	// sitesPause is between two questions for a site that is not known.
	sitesPause = time.Minute
	// sitesLife bounds a question that nobody waits for.
	sitesLife = 10 * time.Second
)

// siteList is what the grant says of sites, if anything.
func (g *grant) siteList() (SiteList, bool) {
	var l SiteList
	ok := len(g.Sites) > 0 && json.Unmarshal(g.Sites, &l) == nil
	return l, ok
}

func (g *grant) putSites(l SiteList) error {
	text, err := json.Marshal(l)
	if err == nil {
		g.Sites = text
	}
	return err
}

// over lays what the provider says now over what it said before.
func (l SiteList) over(now []Site, at time.Time) SiteList {
	appeared, vanished := siteless(now, l.Sites), siteless(l.Sites, now)
	if len(appeared)+len(vanished) > 0 && !l.ReadAt.IsZero() {
		l.Appeared, l.Vanished, l.ChangedAt = appeared, vanished, at
	}
	l.Sites, l.ReadAt = now, at
	return l
}

// siteless are the sites that are not among others.
func siteless(sites, others []Site) []Site {
	return slices.DeleteFunc(slices.Clone(sites), func(s Site) bool { return hasSite(others, s.ID) })
}

func hasSite(sites []Site, id string) bool {
	return slices.ContainsFunc(sites, func(s Site) bool { return s.ID == id })
}

// asksSites reports whether the provider has sites, and the token may be shown where they are asked for:
// a server that the definition names otherwise, too. Settings from before there was a sites_request may
// lead everything elsewhere but that.
func (b *Broker) asksSites(p *Provider) bool {
	s := p.Definition.SitesRequest
	if s == nil || b.cfg.Sites == nil {
		return false
	}
	d := &p.Definition
	return sameServer(s.Endpoint, d.TokenRequest.Endpoint) || d.UserInfoRequest != nil && sameServer(s.Endpoint, d.UserInfoRequest.Endpoint)
}

// askSites asks the provider. A refusal is never a reason to refresh: who is refused lacks a scope.
func (b *Broker) askSites(ctx context.Context, client *oauth.Client, access secret.String) ([]Site, error) {
	answer, err := client.Sites(ctx, access)
	if err != nil {
		wire, _ := errors.AsType[*oauth.Error](err)
		if wire == nil {
			return nil, Errorf(Internal, "%w", err)
		}
		return nil, &Error{Kind: kindOfClass(wire.Class), Err: wire, RetryAfter: wire.RetryAfter}
	}
	sites, err := b.cfg.Sites.ReadSites(answer)
	if err != nil {
		return nil, asKind(ProviderAway, err)
	}
	return sites, nil
}

// grantSites reads the sites of a grant that was just given. A failure costs nothing but the news.
func (b *Broker) grantSites(ctx context.Context, client *oauth.Client, p *Provider, g *grant) {
	ctx, cancel := context.WithTimeout(ctx, sitesLife)
	defer cancel()
	sites, err := b.askSites(ctx, client, secret.New(g.AccessToken))
	if err == nil {
		err = g.putSites(SiteList{}.over(sites, b.now()))
	}
	if err != nil {
		b.log.Warn("the sites could not be had; the grant is kept without them, and they are asked for when needed", "provider", p.ID, "error", err)
	}
}

// followSites takes over from the grant before what holds on: the choice of a site, and what to compare
// the list with.
func (g *grant) followSites(old *grant) {
	before, had := old.siteList()
	now, has := g.siteList()
	switch same := g.sameHolder(old); {
	case !had:
	case !has && same:
		g.Sites = old.Sites
	case has && same:
		_ = g.putSites(before.over(now.Sites, now.ReadAt)) // what was read can be written
	case has && hasSite(now.Sites, before.Chosen):
		now.Chosen = before.Chosen
		_ = g.putSites(now)
	}
}

// tellSites writes down what changed at the time, and what is wrong with the sites.
func (b *Broker) tellSites(c *Connection, g *grant, at time.Time) {
	l := b.shownSites(g)
	if l == nil || !l.ReadAt.Equal(at) {
		return
	}
	if l.ChangedAt.Equal(at) {
		what := strings.TrimSpace(named("appeared: ", l.Appeared) + " " + named("vanished: ", l.Vanished))
		b.log.Warn("the sites that a connection reaches have changed", "connection", c.ID, "provider", c.Provider, "appeared", len(l.Appeared), "vanished", len(l.Vanished))
		b.record(Event{Action: ActionSites, Project: c.Project, Actor: "engine", User: c.User, Provider: c.Provider, Connection: c.ID, Reason: what})
	}
	if len(l.Sites) == 0 {
		b.log.Warn("a connection reaches no site: somebody has to choose one at the consent, or the site's admin to allow the app", "connection", c.ID, "provider", c.Provider)
	}
}

func named(what string, sites []Site) string {
	if len(sites) == 0 {
		return ""
	}
	names := make([]string, 0, len(sites))
	for _, s := range sites[:min(len(sites), 20)] {
		names = append(names, s.String())
	}
	return what + strings.Join(names, ", ")
}

// withSites lays a fresh list into a grant that was just refreshed and stored, if the last is old. A
// failure costs nothing but the news.
func (b *Broker) withSites(ctx context.Context, client *oauth.Client, h held) held {
	l, _ := h.grant.siteList()
	if b.now().Sub(l.ReadAt) < sitesAge {
		return h
	}
	ctx, cancel := context.WithTimeout(ctx, sitesLife)
	defer cancel()
	sites, err := b.askSites(ctx, client, secret.New(h.grant.AccessToken))
	next, at := h, b.now()
	if err == nil {
		err = next.grant.putSites(l.over(sites, at))
	}
	if err == nil {
		next, err = b.rewrite(ctx, next)
	}
	if err != nil {
		b.log.Warn("the sites could not be had; the former are kept", "connection", h.ID, "error", err)
		return h
	}
	b.tellSites(&next.Connection, &next.grant, at)
	return next
}

// rewrite stores a connection whose grant was changed, if nobody else has written it.
func (b *Broker) rewrite(ctx context.Context, h held) (held, error) {
	sealed, err := b.sealGrant(h.grant, h.GrantPlace())
	if err != nil {
		return h, err
	}
	h.Connection.Grant = sealed
	h.Connection, err = b.cfg.Connections.PutConnection(ctx, h.Connection, h.Version)
	return h, err
}

// shownSites is what people are shown: with the site in use, or why there is none. Nil: nothing is known.
func (b *Broker) shownSites(g *grant) *SiteList {
	l, ok := g.siteList()
	if !ok {
		return nil
	}
	if b.cfg.Sites == nil {
		l.Site = l.Chosen
		return &l
	}
	site, err := b.cfg.Sites.SelectSite(l.Sites, l.Chosen)
	switch {
	case err == nil:
		l.Site = site.ID
	case len(l.Sites) == 0:
		l.Problem = fmt.Sprintf("signed in%s, but no site was granted: choose a site at the consent, and ask the site's admin to allow the app", asWhom(g.UserInfo))
	case l.Chosen != "":
		l.Problem = "the site that was chosen is not reached any more: " + err.Error()
	default:
		l.Problem = err.Error()
	}
	return &l
}

// sitesOfToken is what is shown of the sites of a token.
func (b *Broker) sitesOfToken(t *Token) *SiteList {
	return b.shownSites(&grant{Sites: t.Sites, UserInfo: t.UserInfo})
}

// asWhom is " as NAME" where user info has one.
func asWhom(info json.RawMessage) string {
	var who struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	}
	if !bytes.HasPrefix(info, []byte("{")) || json.Unmarshal(info, &who) != nil || cmp.Or(who.Name, who.Email) == "" {
		return ""
	}
	return " as " + oauth.Clean(cmp.Or(who.Name, who.Email), 100)
}

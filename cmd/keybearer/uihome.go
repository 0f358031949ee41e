package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/desk"
	"github.com/keybearer/keybearer/oauth"
)

// loggingIn is the terminal's login with the person at the desk in place of the terminal: nothing is printed, and
// nothing is read.
func (h *deskHome) loggingIn(wish desk.Wish, show func(desk.Step) bool) *loggingIn {
	f := &loginFlags{homeFlags: h.f.homeFlags, baseURL: wish.Server, scopes: wish.Scopes, force: wish.Again && !h.f.remote()}
	if wish.Key {
		f.flow = flowKey
	}
	l := &loggingIn{
		w: world{out: io.Discard, err: io.Discard, env: h.w.env}, f: f, home: h.home,
		ref:  keybearer.Ref{User: h.home.User(), Provider: wish.Provider, Name: wish.Connection},
		back: wish.Back,
		browse: func(_ context.Context, url string) bool {
			return show(desk.Step{URL: url, Apart: h.f.remote()})
		},
	}
	if h.f.remote() { // an engine sends browsers to origins of its own choice only
		l.back = ""
	}
	return l
}

// forPeople lets the desk show what is wrong with what was typed in.
func forPeople(err error) error {
	if wrong, ok := errors.AsType[usageError](err); ok {
		return keybearer.Errorf(keybearer.BadRequest, "%s", strings.ReplaceAll(wrong.Error(), "--base-url", "the address of the server"))
	}
	return err
}

// Connections implements [desk.Home].
func (h *deskHome) Connections(ctx context.Context) ([]desk.Connection, error) {
	if local, ok := h.home.(*localHome); ok {
		if _, err := local.vault.Changed(ctx); err != nil { // a login at the terminal, meanwhile
			return nil, err
		}
	}
	routes, err := h.home.Routes(ctx)
	if err != nil {
		return nil, err
	}
	providers, err := h.home.Providers(ctx)
	if err != nil {
		return nil, err
	}
	now, all := time.Now(), make([]desk.Connection, len(routes))
	for i := range routes {
		r := &routes[i]
		s := shown(r, now)
		all[i] = desk.Connection{
			ID: r.Connection, Ref: r.Ref, Kind: r.Kind, Provider: calledIn(providers, r.Ref.Provider), Name: s.Connection, Default: s.Default,
			Status: s.Status, Problem: s.Problem, Ends: horizon(r, now), Username: s.Username,
			Scopes: s.Scopes, Hosts: s.Hosts, Sites: s.Sites,
		}
		if !r.Refreshable {
			all[i].EndsAt = r.ExpiresAt
		}
	}
	return all, nil
}

// Events implements [desk.Home].
func (h *deskHome) Events(ctx context.Context, f keybearer.EventFilter) ([]keybearer.RecordedEvent, error) {
	return h.home.Events(ctx, f)
}

// Disconnect implements [desk.Home].
func (h *deskHome) Disconnect(ctx context.Context, id keybearer.ConnectionID) error {
	return h.home.Disconnect(ctx, id)
}

// SetDefault implements [desk.Home].
func (h *deskHome) SetDefault(ctx context.Context, ref keybearer.Ref) error {
	return h.home.SetDefault(ctx, ref)
}

// Offers implements [desk.Home]: what is installed, and for the vault what is bundled, too.
func (h *deskHome) Offers(ctx context.Context) ([]desk.Offer, error) {
	providers, err := h.home.Providers(ctx)
	if err != nil {
		return nil, err
	}
	var all []desk.Offer
	for i := range providers {
		p := &providers[i]
		o := offered(p.ID, calledIn(providers, p.ID), &p.Definition)
		o.Installed, o.Server, o.ServerNow = true, false, ""
		if p.Remote {
			o.Consents, o.Keys = true, false
		}
		all = append(all, o)
	}
	if !h.f.remote() {
		all = append(all, bundled(providers)...)
	}
	slices.SortFunc(all, func(a, b desk.Offer) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return all, nil
}

// bundled are the providers of the catalogue that are not installed under their own names.
func bundled(providers []installed) []desk.Offer {
	there := func(id string) bool {
		return slices.ContainsFunc(providers, func(p installed) bool { return string(p.ID) == id })
	}
	var all []desk.Offer
	for _, kind := range catalog.Kinds() {
		if d, ok := catalog.Definition(kind); ok && !there(kind) {
			all = append(all, offered(keybearer.ProviderID(kind), cmp.Or(d.DisplayName, kind), &d))
		}
	}
	if !there(sandboxProvider) {
		all = append(all, desk.Offer{
			ID: sandboxProvider, Name: "Sandbox", About: "a local Atlassian", Consents: true, Server: true, ServerNow: "http://" + sandboxAddress,
		})
	}
	return all
}

func offered(id keybearer.ProviderID, name string, d *oauth.Definition) desk.Offer {
	ownServer := func(text string) bool { return strings.Contains(text, "{{server_url}}") }
	withName := slices.Contains(slices.Collect(maps.Values(d.API.Env)), oauth.EnvUsername) // Atlassian's tokens are no plain keys
	return desk.Offer{
		ID: id, Name: name, Consents: !d.KeysOnly(), Keys: d.KeysOnly() || d.API.KeysURL != "" && !withName,
		Server: ownServer(d.TokenRequest.Endpoint) || slices.ContainsFunc(d.API.Hosts, ownServer),
	}
}

// calledIn is what people call a provider.
func calledIn(providers []installed, id keybearer.ProviderID) string {
	for i := range providers {
		p := &providers[i]
		switch {
		case p.ID != id:
		case id == sandboxProvider:
			return "Sandbox"
		case p.Definition.DisplayName == "" || p.Type != string(id) && p.Type != "":
			return string(id) // one of several, or one of one's own
		default:
			return p.Definition.DisplayName
		}
	}
	return string(id)
}

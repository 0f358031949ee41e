package keybearer

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer/oauth"
)

// installed fills in the definition that is in force.
func (b *Broker) installed(p Provider) (Provider, error) {
	if p.Type == "" {
		p.Definition = oauth.Definition{}.Install(p.Settings)
		return p, nil
	}
	base, ok := b.cfg.Catalog(p.Type)
	if !ok {
		return p, Errorf(BadRequest, "provider %s: the type %q is not in the catalogue", p.ID, p.Type)
	}
	p.Definition = base.Install(p.Settings)
	return p, nil
}

// shelf remembers what is installed for a moment, so that an authorization does not build every
// definition anew. What this process writes is seen at once, what others write within shelfLife.
type shelf struct {
	mu    sync.Mutex
	lists map[ProjectID]shelved
	// cleared counts the calls of clear: what was read before one of them may be stale.
	cleared uint64
}

type shelved struct {
	providers []Provider
	until     time.Time
}

const shelfLife = time.Second

func (s *shelf) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists = nil
	s.cleared++
}

// providers lists what is installed, sorted by id. The list is shared: do not change it.
func (b *Broker) providers(ctx context.Context, project ProjectID) ([]Provider, error) {
	now := time.Now() // not the broker's clock, which tests move
	b.shelf.mu.Lock()
	list, ok := b.shelf.lists[project]
	seen := b.shelf.cleared
	b.shelf.mu.Unlock()
	if ok && now.Before(list.until) {
		return list.providers, nil
	}
	all, err := b.readProviders(ctx, project)
	if err != nil {
		return nil, err
	}
	b.shelf.mu.Lock()
	defer b.shelf.mu.Unlock()
	if b.shelf.cleared != seen {
		return all, nil
	}
	if b.shelf.lists == nil {
		b.shelf.lists = map[ProjectID]shelved{}
	}
	b.shelf.lists[project] = shelved{providers: all, until: now.Add(shelfLife)}
	return all, nil
}

// readProviders lists the file's providers, and the stored ones that the file does not shadow.
func (b *Broker) readProviders(ctx context.Context, project ProjectID) ([]Provider, error) {
	stored, err := b.cfg.Providers.Providers(ctx, project)
	if err != nil {
		return nil, err
	}
	all := make([]Provider, 0, len(stored)+len(b.cfg.Static))
	for _, p := range b.cfg.Static {
		p.Project = project
		all = append(all, p)
	}
	for _, p := range stored {
		if slices.ContainsFunc(b.cfg.Static, func(s Provider) bool { return s.ID == p.ID }) {
			continue
		}
		if p, err = b.installed(p); err != nil {
			b.log.Error("a stored provider cannot be used", "provider", p.ID, "error", err)
			p.Status = ProviderDisabled
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Provider) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all, nil
}

func (b *Broker) provider(ctx context.Context, project ProjectID, id ProviderID) (*Provider, error) {
	all, err := b.providers(ctx, project)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == id {
			return &all[i], nil
		}
	}
	return nil, Errorf(NotFound, "there is no provider %q", oauth.Clean(string(id), 100))
}

// typeNamed is the well-known type that apps mean by a name: the vendor calls its own providers
// "arcade-" and the type, and Square by two names.
func typeNamed(name string) string {
	name = strings.TrimPrefix(name, "arcade-")
	if name == "square" {
		return "squareup"
	}
	return name
}

// resolve finds the provider that a requirement means (docs/api.md, "Which provider"):
//
//  1. An id is exact; a provider_id beside it must agree.
//  2. A provider_id means the active provider with that id, or else the one active provider of that type.
//  3. More than one of the type is ambiguous, and the answer lists them.
func (v *View) resolve(ctx context.Context, r AuthorizeRequest) (*Provider, error) {
	if r.ProviderType != "" && r.ProviderType != "oauth2" {
		return nil, Errorf(BadRequest, "provider_type %q is not supported: use oauth2", oauth.Clean(r.ProviderType, 40))
	}
	name := r.ProviderID
	if r.ID != "" {
		name = string(r.ID)
	}
	if name == "" {
		return nil, Errorf(BadRequest, "auth_requirement needs an id or a provider_id")
	}
	all, err := v.b.providers(ctx, v.caller.Project)
	if err != nil {
		return nil, err
	}
	var off ProviderID
	for i := range all {
		p := &all[i]
		if string(p.ID) != name || !v.caller.mayReach(p.ID) {
			continue
		}
		if r.ID != "" && r.ProviderID != "" && r.ProviderID != string(p.ID) && typeNamed(r.ProviderID) != p.Type {
			return nil, Errorf(BadRequest, "provider %q is of type %q, not %q", p.ID, p.Type, oauth.Clean(r.ProviderID, 100))
		}
		if p.Status == ProviderActive {
			return p, nil
		}
		off = p.ID
	}
	if r.ID != "" && off != "" {
		return nil, inactive(off)
	}
	if r.ID != "" {
		return nil, v.notInstalled(name, all)
	}
	kind := typeNamed(name)
	var found []*Provider
	for i := range all {
		switch p := &all[i]; {
		case kind == "" || p.Type != kind || !v.caller.mayReach(p.ID):
		case p.Status == ProviderActive:
			found = append(found, p)
		case off == "":
			off = p.ID
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		ids := make([]string, len(found))
		for i, p := range found {
			ids[i] = string(p.ID)
		}
		return nil, Errorf(AmbiguousProvider, "%d providers have the type %q: name one by its id: %s", len(found), kind, strings.Join(ids, ", "))
	case off != "":
		return nil, inactive(off)
	}
	return nil, v.notInstalled(name, all)
}

func inactive(id ProviderID) error {
	return Errorf(ProviderInactive, "the provider %q is inactive: activate it, or ask for another one", id)
}

func (v *View) notInstalled(name string, all []Provider) error {
	var ids []string
	for _, p := range all {
		if p.Status == ProviderActive && v.caller.mayReach(p.ID) {
			ids = append(ids, string(p.ID))
		}
	}
	have := "none are configured"
	if len(ids) > 0 {
		have = "configured are: " + strings.Join(ids, ", ")
	}
	return Errorf(ProviderNotFound, "there is no provider %q; %s. Add it under auth.providers in engine.yaml or with POST /v1/admin/auth_providers",
		oauth.Clean(name, 100), have)
}

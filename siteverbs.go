package keybearer

import (
	"context"
	"errors"
	"net/url"
	"strings"
)

// maxSiteURL bounds an address that is to be resolved, in bytes.
const maxSiteURL = 8192

// Sites tells which of the provider's sites a connection reaches. The provider is asked where anew is set,
// or nothing is known; what it says is kept with the connection. The ref's provider may be a well-known
// type. A token that the provider refuses is not refreshed for this.
//
// Kinds: those of [View.Token], and BadRequest where the provider has no sites that could be asked for.
func (v *View) Sites(ctx context.Context, ref Ref, anew bool) (SiteList, error) {
	s, err := v.sitesOf(ctx, ref)
	if err != nil {
		return SiteList{}, err
	}
	if _, known := s.grant.siteList(); anew || !known {
		if s, err = v.readSites(ctx, s); err != nil {
			return SiteList{}, err
		}
	}
	return *v.b.shownSites(&s.grant), nil
}

// ChooseSite keeps with the connection which site is meant where an app names none: by id, address or
// name; "" takes the choice back. A site that is not known is asked for anew, once.
//
// Kinds: those of [View.Sites], NotFound where the token does not reach the site, BadRequest where several
// are called so. Both list what there is to choose from.
func (v *View) ChooseSite(ctx context.Context, ref Ref, wanted string) (SiteList, error) {
	s, err := v.sitesOf(ctx, ref)
	if err != nil {
		return SiteList{}, err
	}
	chosen := ""
	if wanted != "" {
		site, err := knownOr(ctx, v, &s, func(sites []Site) (Site, error) { return v.b.cfg.Sites.SelectSite(sites, wanted) })
		if err != nil {
			return SiteList{}, err
		}
		chosen = site.ID
	}
	h, err := v.b.editSites(ctx, s.held, func(l *SiteList) { l.Chosen = chosen })
	if err != nil {
		return SiteList{}, err
	}
	v.record(Event{Action: ActionSites, User: h.User, Provider: h.Provider, Connection: h.ID, Reason: "chosen: " + chosen})
	return *v.b.shownSites(&h.grant), nil
}

// SiteAddress gives the address to which a request has to be sent that is meant for an address of one of
// the connection's sites, https://site.atlassian.net/rest/... at Atlassian: only the gateway takes its
// tokens. An address of the gateway stays. A path alone, /rest/..., is one of the site in use.
//
// Kinds: those of [View.Sites], NotFound for a site that the token does not reach, BadRequest for what is no
// address of an API, and where somebody has to choose a site first.
func (v *View) SiteAddress(ctx context.Context, ref Ref, address string) (string, error) {
	if len(address) > maxSiteURL {
		return "", Errorf(BadRequest, "the url is longer than %d bytes", maxSiteURL)
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", Errorf(BadRequest, "the url cannot be read: give an absolute one, such as https://site.atlassian.net/rest/api/3/myself, or a path")
	}
	s, err := v.sitesOf(ctx, ref)
	if err != nil {
		return "", err
	}
	if s.Kind == APIToken { // which works at the site, and not at the gateway
		return "", Errorf(BadRequest, "the %s of %s is for the site's own address, as it is: nothing is to be resolved", s.Kind.noun(), s.Ref)
	}
	at, err := knownOr(ctx, v, &s, func(sites []Site) (*url.URL, error) {
		full, err := v.atSite(s, sites, u)
		if err != nil {
			return nil, err
		}
		return v.b.cfg.Sites.SiteAddress(sites, originOf(s.provider.Definition.SitesRequest.Endpoint), full)
	})
	if err != nil {
		return "", err
	}
	return at.String(), nil
}

// atSite makes an address of a path alone.
func (v *View) atSite(s sited, sites []Site, u *url.URL) (*url.URL, error) {
	if u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") {
		return u, nil
	}
	l, _ := s.grant.siteList()
	site, err := v.b.cfg.Sites.SelectSite(sites, l.Chosen)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(site.URL)
	if err != nil || base.Host == "" {
		return nil, Errorf(NotFound, "the provider named no address for the site %s: give the whole url", site)
	}
	full := *u
	full.Scheme, full.Host = base.Scheme, base.Host
	return &full, nil
}

// originOf is scheme and host of an endpoint.
func originOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// sited is a connection at a provider that has sites.
type sited struct {
	held
	provider *Provider
}

func (v *View) sitesOf(ctx context.Context, ref Ref) (sited, error) {
	named, err := v.resolve(ctx, AuthorizeRequest{ProviderID: string(ref.Provider)})
	if err != nil {
		return sited{}, err
	}
	ref.Provider = named.ID
	c, p, err := v.connection(ctx, ref)
	if err != nil {
		return sited{}, err
	}
	if !v.b.asksSites(p) {
		return sited{}, Errorf(BadRequest, "%s has no sites: its definition has no sites_request, or one to another server than user_info_request", p.DisplayName())
	}
	h, err := v.b.open(&c)
	return sited{h, p}, err
}

// knownOr does something with the sites that are known, and if that fails once more with those that the
// provider names now: a site may have appeared since.
func knownOr[T any](ctx context.Context, v *View, s *sited, do func([]Site) (T, error)) (T, error) {
	l, known := s.grant.siteList()
	if known {
		done, err := do(l.Sites)
		if err == nil || !errors.Is(err, NotFound) || v.b.now().Sub(l.ReadAt) < sitesPause {
			return done, err
		}
	}
	fresh, err := v.readSites(ctx, *s)
	if err != nil {
		var none T
		return none, err
	}
	*s = fresh
	l, _ = s.grant.siteList()
	return do(l.Sites)
}

// readSites asks the provider, and keeps what it says.
func (v *View) readSites(ctx context.Context, s sited) (sited, error) {
	if s.Kind.isBasic() {
		return s, Errorf(BadRequest, "the sites of %s are not known, since %s does not tell them for an %s", s.Ref, s.provider.DisplayName(), s.Kind.noun())
	}
	token, err := v.token(ctx, &s.Connection, s.provider)
	if err != nil {
		return s, err
	}
	client, err := v.b.client(s.provider)
	if err != nil {
		return s, err
	}
	sites, err := v.b.askSites(ctx, client, token.Access)
	if err != nil {
		return s, err
	}
	at := v.b.now()
	s.held, err = v.b.editSites(ctx, s.held, func(l *SiteList) { *l = l.over(sites, at) })
	if err == nil {
		v.b.tellSites(&s.Connection, &s.grant, at)
	}
	return s, err
}

// editSites changes what is kept of a connection's sites. It takes the turn: a refresh that is under way
// writes the grant that it read.
func (b *Broker) editSites(ctx context.Context, h held, edit func(*SiteList)) (held, error) {
	c := h.Connection
	t, err := b.takeTurn(ctx, &c)
	if err != nil {
		return h, err
	}
	defer t.end()
	if err := b.storeUnsaved(ctx, c.ID); err != nil {
		return h, err
	}
	for range tries {
		row, err := b.cfg.Connections.ConnectionByID(ctx, c.Project, c.ID)
		if errors.Is(err, NotFound) {
			return h, Errorf(NotFound, "the connection was deleted meanwhile: authorize again")
		}
		if err != nil {
			return h, err
		}
		if h, err = b.open(&row); err != nil {
			return h, err
		}
		l, _ := h.grant.siteList()
		edit(&l)
		if err := h.grant.putSites(l); err != nil {
			return h, Errorf(Internal, "writing down sites: %w", err)
		}
		if h, err = b.rewrite(ctx, h); !errors.Is(err, Conflict) {
			return h, err
		}
	}
	return h, outrun(c.Ref)
}

package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

const sitesPath = "/v1/auth/sites"

// Sites tells which sites a connection reaches, where its provider has such: what the provider said last,
// or, with anew, what it says now. Kinds: those of [keybearer.View.Sites].
func (c *Client) Sites(ctx context.Context, ref keybearer.Ref, anew bool) (keybearer.SiteList, error) {
	q := url.Values{"user_id": {string(ref.User)}, "provider_id": {string(ref.Provider)}}
	if anew {
		q.Set("refresh", "true")
	}
	var out api.SiteList
	err := c.do(ctx, request{op: fmt.Sprintf("listing the sites of %s", ref), method: http.MethodGet, path: sitesPath, query: q, into: &out})
	return *siteList(&out), err
}

// ChooseSite keeps with the connection which site is meant where nothing else is said. Kinds: those of
// [keybearer.View.ChooseSite].
func (c *Client) ChooseSite(ctx context.Context, ref keybearer.Ref, wanted string) (keybearer.SiteList, error) {
	var out api.SiteList
	err := c.do(ctx, request{
		op: fmt.Sprintf("choosing the site of %s", ref), method: http.MethodPut, path: sitesPath, into: &out,
		body: api.SiteChoice{UserID: string(ref.User), ProviderID: string(ref.Provider), Site: wanted},
	})
	return *siteList(&out), err
}

// SiteAddress gives the address to which a request has to be sent that is meant for one of the connection's
// sites. Kinds: those of [keybearer.View.SiteAddress].
func (c *Client) SiteAddress(ctx context.Context, ref keybearer.Ref, address string) (string, error) {
	var out api.SiteAddress
	err := c.do(ctx, request{
		op: fmt.Sprintf("resolving an address for %s", ref), method: http.MethodPost, path: sitesPath + "/resolve", into: &out,
		body: api.SiteURL{UserID: string(ref.User), ProviderID: string(ref.Provider), URL: address},
	})
	return out.URL, err
}

// siteList is nil for nil.
func siteList(in *api.SiteList) *keybearer.SiteList {
	if in == nil {
		return nil
	}
	return &keybearer.SiteList{
		Sites: sites(in.Sites), Site: in.Site, Chosen: in.Chosen, Problem: in.Problem, ReadAt: in.ReadAt,
		Appeared: sites(in.Appeared), Vanished: sites(in.Vanished), ChangedAt: in.ChangedAt,
	}
}

func sites(in []api.Site) []keybearer.Site {
	out := make([]keybearer.Site, len(in))
	for i, s := range in {
		out[i] = keybearer.Site(s)
	}
	return out
}

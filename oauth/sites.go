package oauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/keybearer/keybearer/secret"
)

// Sites asks which of the provider's sites the token reaches, as Atlassian Cloud does: tenants, each with
// an address of its own, of which a person lets an app into some. It gives the answer as it came, at most
// 1 MiB: what it means is the matter of who knows the provider. Without a sites_request it is nil.
func (c *Client) Sites(ctx context.Context, access secret.String) ([]byte, error) {
	if c.Definition.SitesRequest == nil {
		return nil, nil
	}
	r := c.Definition.SitesRequest.Request
	if r.AuthMethod == "" {
		r.AuthMethod = AuthBearerAccessToken
	}
	got, err := c.do(ctx, AtSites, http.MethodGet, r, values{"access_token": access.Reveal()})
	if err != nil {
		return nil, err
	}
	if got.incomplete {
		return nil, unreadable(AtSites, got, errors.New("the list of sites is too long, or broke off"))
	}
	return got.body, nil
}

// AsksSites reports whether sites are asked for at this place: AtToken or AtRefresh.
func (d *Definition) AsksSites(at string) bool {
	return d.SitesRequest != nil && d.SitesRequest.Triggers.at(at)
}

func (c *checker) sites(s UserInfo) {
	c.needed("sites_request", s.Request)
	c.request("sites_request", s.Request)
	if s.AuthMethod != "" && s.AuthMethod != AuthBearerAccessToken {
		c.fail("the only supported value is bearer_access_token", "sites_request", "auth_method")
	}
}

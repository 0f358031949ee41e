package oauth

import (
	"slices"
	"strings"
)

// serverPlaceholder stands for [Definition.ServerURL] in the endpoints of a definition, as in
// {{server_url}}/rest/oauth2/latest/token. It is the only placeholder of endpoints, and begins them.
const serverPlaceholder = "{{server_url}}"

// Install lays an operator's settings over the definition, as [Definition.Override] does, and fills in
// what they decide: the product, whose own settings lie between the two, and the server's URL, in every
// endpoint. Neither argument is changed.
func (d Definition) Install(settings Definition) Definition {
	if product, ok := d.Products[settings.Product]; ok {
		d = d.Override(product)
	}
	d = d.Override(settings)
	d.ServerURL = strings.TrimRight(d.ServerURL, "/")
	if d.ServerURL != "" {
		d.fillServer()
	}
	return d
}

// fillServer joins the server's URL, path included, with what stands behind the placeholder. Sections
// behind pointers are shared with the catalogue, so copies are filled.
func (d *Definition) fillServer() {
	fill := func(endpoint *string) {
		if path, ok := strings.CutPrefix(*endpoint, serverPlaceholder); ok {
			*endpoint = d.ServerURL + path
		}
	}
	d.API.fillServer(d.ServerURL)
	fill(&d.Issuer)
	fill(&d.AuthorizeRequest.Endpoint)
	fill(&d.TokenRequest.Endpoint)
	if d.RefreshRequest != nil {
		d.RefreshRequest = new(*d.RefreshRequest)
		fill(&d.RefreshRequest.Endpoint)
	}
	if d.UserInfoRequest != nil {
		d.UserInfoRequest = new(*d.UserInfoRequest)
		fill(&d.UserInfoRequest.Endpoint)
	}
	if d.SitesRequest != nil {
		d.SitesRequest = new(*d.SitesRequest)
		fill(&d.SitesRequest.Endpoint)
	}
	if d.TokenIntrospectionRequest != nil {
		d.TokenIntrospectionRequest = new(*d.TokenIntrospectionRequest)
		fill(&d.TokenIntrospectionRequest.Endpoint)
	}
	if d.RevokeRequest != nil {
		d.RevokeRequest = new(*d.RevokeRequest)
		fill(&d.RevokeRequest.Endpoint)
	}
	if d.DeviceRequest != nil {
		d.DeviceRequest = new(*d.DeviceRequest)
		fill(&d.DeviceRequest.Endpoint)
	}
}

// CredentialEndpoints lists the endpoints that take credentials of their own: to authorize, to exchange, to refresh, to
// revoke. No access token is for them.
func (d *Definition) CredentialEndpoints() []string {
	all := []string{d.AuthorizeRequest.Endpoint, d.TokenRequest.Endpoint}
	for _, r := range []*Request{d.RefreshRequest, d.RevokeRequest, d.DeviceRequest} {
		if r != nil {
			all = append(all, r.Endpoint)
		}
	}
	return slices.DeleteFunc(all, func(endpoint string) bool { return endpoint == "" })
}

// endpoints lists those that the definition names.
func (d *Definition) endpoints() []string {
	all := []string{d.Issuer, d.AuthorizeRequest.Endpoint, d.TokenRequest.Endpoint}
	if d.RefreshRequest != nil {
		all = append(all, d.RefreshRequest.Endpoint)
	}
	if d.UserInfoRequest != nil {
		all = append(all, d.UserInfoRequest.Endpoint)
	}
	if d.SitesRequest != nil {
		all = append(all, d.SitesRequest.Endpoint)
	}
	if d.TokenIntrospectionRequest != nil {
		all = append(all, d.TokenIntrospectionRequest.Endpoint)
	}
	if d.RevokeRequest != nil {
		all = append(all, d.RevokeRequest.Endpoint)
	}
	if d.DeviceRequest != nil {
		all = append(all, d.DeviceRequest.Endpoint)
	}
	return all
}

package oauth

import (
	"net/url"
	"strings"
)

// Moved gives the settings that lead a definition to another server: its endpoints keep their paths, and the API
// is there, too. A definition with a server of one's own gets its URL. It is for sandboxes, and for providers that
// a company runs itself. The base is an absolute URL.
func (d *Definition) Moved(base string) Definition {
	base = strings.TrimRight(base, "/")
	var to Definition
	if strings.HasPrefix(d.TokenRequest.Endpoint, serverPlaceholder) {
		to.ServerURL = base
		return to
	}
	moved := func(endpoint string) string {
		u, err := url.Parse(endpoint)
		if err != nil || endpoint == "" {
			return ""
		}
		return base + u.EscapedPath()
	}
	to.AuthorizeRequest.Endpoint = moved(d.AuthorizeRequest.Endpoint)
	to.TokenRequest.Endpoint = moved(d.TokenRequest.Endpoint)
	if r := d.RefreshRequest; r != nil {
		to.RefreshRequest = &Request{Endpoint: moved(r.Endpoint)}
	}
	if r := d.RevokeRequest; r != nil {
		to.RevokeRequest = &Request{Endpoint: moved(r.Endpoint)}
	}
	if r := d.DeviceRequest; r != nil {
		to.DeviceRequest = &Request{Endpoint: moved(r.Endpoint)}
	}
	if u := d.UserInfoRequest; u != nil {
		to.UserInfoRequest = &UserInfo{Request: Request{Endpoint: moved(u.Endpoint)}}
	}
	if s := d.SitesRequest; s != nil {
		to.SitesRequest = &UserInfo{Request: Request{Endpoint: moved(s.Endpoint)}}
	}
	if i := d.TokenIntrospectionRequest; i != nil {
		to.TokenIntrospectionRequest = &Introspection{Request: Request{Endpoint: moved(i.Endpoint)}}
	}
	to.API.Hosts = []string{strings.TrimPrefix(base, "https://")}
	return to
}

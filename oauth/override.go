package oauth

import (
	"maps"
	"slices"
)

// Override lays the fields that are set in over on top of d: requests and params are merged piece
// by piece, lists are replaced. Neither argument is changed.
func (d Definition) Override(over Definition) Definition {
	set(&d.DisplayName, over.DisplayName)
	set(&d.ServerURL, over.ServerURL)
	set(&d.Product, over.Product)
	set(&d.Issuer, over.Issuer)
	set(&d.ScopeDelimiter, over.ScopeDelimiter)
	setList(&d.Scopes.Always, over.Scopes.Always)
	setList(&d.Scopes.Default, over.Scopes.Default)
	setList(&d.Scopes.Levels, over.Scopes.Levels)
	setList(&d.Scopes.Known, over.Scopes.Known)
	set(&d.PKCE.Enabled, over.PKCE.Enabled)
	set(&d.PKCE.CodeChallengeMethod, over.PKCE.CodeChallengeMethod)
	d.AuthorizeRequest = d.AuthorizeRequest.override(over.AuthorizeRequest)
	d.TokenRequest = d.TokenRequest.override(over.TokenRequest)
	d.RefreshRequest = overridePtr(d.RefreshRequest, over.RefreshRequest, Request.override)
	d.UserInfoRequest = overridePtr(d.UserInfoRequest, over.UserInfoRequest, UserInfo.override)
	d.SitesRequest = overridePtr(d.SitesRequest, over.SitesRequest, UserInfo.override)
	d.TokenIntrospectionRequest = overridePtr(d.TokenIntrospectionRequest, over.TokenIntrospectionRequest, Introspection.override)
	d.DeviceRequest = overridePtr(d.DeviceRequest, over.DeviceRequest, Request.override)
	d.RevokeRequest = overridePtr(d.RevokeRequest, over.RevokeRequest, Request.override)
	d.API = d.API.override(over.API)
	set(&d.Expiry.Default, over.Expiry.Default)
	set(&d.Refresh.Skew, over.Refresh.Skew)
	set(&d.Refresh.ReuseGrace, over.Refresh.ReuseGrace)
	set(&d.Refresh.IdleExpiry, over.Refresh.IdleExpiry)
	set(&d.Refresh.Ahead, over.Refresh.Ahead)
	set(&d.Refresh.Rate, over.Refresh.Rate)
	set(&d.Refresh.OneGrantPerAccount, over.Refresh.OneGrantPerAccount)
	setList(&d.TokenTypes, over.TokenTypes)
	if len(over.Errors) > 0 { // the operator's rules are looked at first
		d.Errors = slices.Concat(over.Errors, d.Errors)
	}
	return d
}

func (r Request) override(over Request) Request {
	set(&r.Endpoint, over.Endpoint)
	set(&r.Method, over.Method)
	set(&r.AuthMethod, over.AuthMethod)
	set(&r.AuthHeaderValueFormat, over.AuthHeaderValueFormat)
	set(&r.BasicEncoding, over.BasicEncoding)
	set(&r.SendCredentialsTwice, over.SendCredentialsTwice)
	set(&r.RequestContentType, over.RequestContentType)
	set(&r.ResponseContentType, over.ResponseContentType)
	r.Params = merged(r.Params, over.Params)
	r.Headers = merged(r.Headers, over.Headers)
	r.ResponseMap = merged(r.ResponseMap, over.ResponseMap)
	return r
}

func (u UserInfo) override(over UserInfo) UserInfo {
	u.Request = u.Request.override(over.Request)
	set(&u.Triggers, over.Triggers)
	return u
}

func (i Introspection) override(over Introspection) Introspection {
	i.Request = i.Request.override(over.Request)
	set(&i.Enabled, over.Enabled)
	set(&i.ExpirationFormat, over.ExpirationFormat)
	set(&i.Triggers, over.Triggers)
	return i
}

func overridePtr[T any](base, over *T, override func(T, T) T) *T {
	switch {
	case over == nil:
		return base
	case base == nil:
		return over
	}
	merged := override(*base, *over)
	return &merged
}

func set[T comparable](field *T, value T) {
	var zero T
	if value != zero {
		*field = value
	}
}

func setList(field *[]string, value []string) {
	if value != nil {
		*field = value
	}
}

func merged[M ~map[string]V, V any](base, over M) M {
	if len(over) == 0 {
		return base
	}
	out := maps.Clone(base)
	if out == nil {
		out = make(M, len(over))
	}
	maps.Copy(out, over)
	return out
}

package httpapi

import (
	"encoding/json"
	"maps"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/oauth"
)

// settings shows a definition: what it does not say is absent.
func settings(d *oauth.Definition) api.OAuth2Settings {
	out := api.OAuth2Settings{
		DisplayName: shown(d.DisplayName), ServerURL: shown(d.ServerURL), Product: shown(d.Product), Issuer: shown(d.Issuer), ScopeDelimiter: shown(d.ScopeDelimiter),
		AuthorizeRequest: request(&d.AuthorizeRequest), TokenRequest: request(&d.TokenRequest),
		RefreshRequest: request(d.RefreshRequest), RevokeRequest: request(d.RevokeRequest), DeviceRequest: request(d.DeviceRequest),
		TokenTypes: d.TokenTypes,
	}
	if s := d.Scopes; len(s.Always)+len(s.Default)+len(s.Levels)+len(s.Known) > 0 {
		out.Scopes = &api.ScopeRules{Always: s.Always, Default: s.Default, Levels: s.Levels, Known: s.Known}
	}
	if a := api.ProviderAPI(d.API); len(a.Hosts) > 0 || a.Header+a.Scheme+a.Query != "" || len(a.Env) > 0 {
		out.API = &a
	}
	if p := d.PKCE; p != (oauth.PKCE{}) {
		out.PKCE = &api.PKCE{Enabled: p.Enabled, CodeChallengeMethod: shown(p.CodeChallengeMethod)}
	}
	if u := d.UserInfoRequest; u != nil {
		out.UserInfoRequest = &api.UserInfo{RequestConfig: *request(&u.Request), Triggers: shownTriggers(u.Triggers)}
	}
	if s := d.SitesRequest; s != nil {
		out.SitesRequest = &api.UserInfo{RequestConfig: *request(&s.Request), Triggers: shownTriggers(s.Triggers)}
	}
	if i := d.TokenIntrospectionRequest; i != nil {
		out.TokenIntrospectionRequest = &api.Introspection{
			RequestConfig: *request(&i.Request), Enabled: i.Enabled,
			ExpirationFormat: shown(i.ExpirationFormat), Triggers: shownTriggers(i.Triggers),
		}
	}
	if d.Expiry.Default != 0 {
		out.Expiry = &api.Expiry{Default: shownDuration(d.Expiry.Default)}
	}
	if r := d.Refresh; r != (oauth.RefreshPolicy{}) {
		out.Refresh = &api.RefreshPolicy{
			Skew: shownDuration(r.Skew), ReuseGrace: shownDuration(r.ReuseGrace), IdleExpiry: shownDuration(r.IdleExpiry),
			Ahead: shown(r.Ahead), Rate: shown(r.Rate), OneGrantPerAccount: r.OneGrantPerAccount,
		}
	}
	for _, r := range d.Errors {
		out.Errors = append(out.Errors, api.ErrorRule{On: r.On, Status: r.Status, Code: r.Code, Description: r.Description, Class: string(r.Class), Advice: r.Advice})
	}
	return out
}

func request(r *oauth.Request) *api.RequestConfig {
	if r == nil {
		return nil
	}
	return &api.RequestConfig{
		Endpoint: shown(r.Endpoint), Method: shown(r.Method), AuthMethod: shown(r.AuthMethod),
		AuthHeaderValueFormat: shown(r.AuthHeaderValueFormat), BasicEncoding: shown(r.BasicEncoding),
		SendCredentialsTwice: shown(r.SendCredentialsTwice),
		Params:               maps.Clone(r.Params), Headers: maps.Clone(r.Headers),
		RequestContentType: shown(r.RequestContentType), ResponseContentType: shown(r.ResponseContentType),
		ResponseMap: responseMap(r.ResponseMap),
	}
}

func responseMap(m oauth.ResponseMap) map[string]api.Expressions {
	var out map[string]api.Expressions
	if text, err := json.Marshal(m); err == nil {
		_ = json.Unmarshal(text, &out) // strings and lists of strings, by its own account
	}
	return out
}

func shownTriggers(t *oauth.Triggers) *api.Triggers {
	if t == nil {
		return nil
	}
	return &api.Triggers{OnTokenGrant: &t.OnTokenGrant, OnTokenRefresh: &t.OnTokenRefresh}
}

func shownDuration(d oauth.Duration) *string {
	if d == 0 {
		return nil
	}
	return shown(d.D().String())
}

// shown is nil for the zero value, which stands for the default.
func shown[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

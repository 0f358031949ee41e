package httpapi

import (
	"encoding/json"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/oauth"
)

// editSettings applies the settings that are present. What d points at is not changed in place: it
// may belong to somebody else.
func editSettings(d *oauth.Definition, in api.OAuth2Settings) error {
	set(&d.DisplayName, in.DisplayName)
	set(&d.ServerURL, in.ServerURL)
	set(&d.Product, in.Product)
	set(&d.Issuer, in.Issuer)
	set(&d.ScopeDelimiter, in.ScopeDelimiter)
	if s := in.Scopes; s != nil {
		d.Scopes = oauth.ScopeRules{
			Always: listed(d.Scopes.Always, s.Always), Default: listed(d.Scopes.Default, s.Default),
			Levels: listed(d.Scopes.Levels, s.Levels), Known: listed(d.Scopes.Known, s.Known),
		}
	}
	if a := in.API; a != nil {
		d.API = oauth.Definition{API: d.API}.Override(oauth.Definition{API: oauth.API(*a)}).API
	}
	if p := in.PKCE; p != nil {
		set(&d.PKCE.CodeChallengeMethod, p.CodeChallengeMethod)
		if p.Enabled != nil {
			d.PKCE.Enabled = new(*p.Enabled)
		}
	}
	d.TokenTypes = listed(d.TokenTypes, in.TokenTypes)
	if in.Errors != nil {
		d.Errors = make([]oauth.ErrorRule, len(in.Errors))
		for i, r := range in.Errors {
			d.Errors[i] = oauth.ErrorRule{On: r.On, Status: r.Status, Code: r.Code, Description: r.Description, Class: oauth.Class(r.Class), Advice: r.Advice}
		}
	}
	return firstError(
		editRequest("authorize_request", &d.AuthorizeRequest, in.AuthorizeRequest),
		editRequest("token_request", &d.TokenRequest, in.TokenRequest),
		editOptional("refresh_request", &d.RefreshRequest, in.RefreshRequest, editRequest),
		editOptional("user_info_request", &d.UserInfoRequest, in.UserInfoRequest, editUserInfo),
		editOptional("sites_request", &d.SitesRequest, in.SitesRequest, editUserInfo),
		editOptional("token_introspection_request", &d.TokenIntrospectionRequest, in.TokenIntrospectionRequest, editIntrospection),
		editOptional("revoke_request", &d.RevokeRequest, in.RevokeRequest, editRequest),
		editOptional("device_authorization_request", &d.DeviceRequest, in.DeviceRequest, editRequest),
		editExpiry(d, in.Expiry),
		editRefresh(d, in.Refresh),
	)
}

func editRequest(name string, r *oauth.Request, in *api.RequestConfig) error {
	if in == nil {
		return nil
	}
	set(&r.Endpoint, in.Endpoint)
	set(&r.Method, in.Method)
	set(&r.AuthMethod, in.AuthMethod)
	set(&r.AuthHeaderValueFormat, in.AuthHeaderValueFormat)
	set(&r.BasicEncoding, in.BasicEncoding)
	set(&r.SendCredentialsTwice, in.SendCredentialsTwice)
	set(&r.RequestContentType, in.RequestContentType)
	set(&r.ResponseContentType, in.ResponseContentType)
	if in.Params != nil {
		r.Params = in.Params
	}
	if in.Headers != nil {
		r.Headers = in.Headers
	}
	if in.ResponseMap == nil {
		return nil
	}
	text, err := json.Marshal(in.ResponseMap)
	if err != nil {
		return keybearer.Errorf(keybearer.BadRequest, "%s.response_map: %w", name, err)
	}
	r.ResponseMap = nil // json adds to a map that is there
	if err := json.Unmarshal(text, &r.ResponseMap); err != nil {
		return keybearer.Errorf(keybearer.BadRequest, "%s.response_map: %w", name, err)
	}
	return nil
}

func editUserInfo(name string, u *oauth.UserInfo, in *api.UserInfo) error {
	u.Triggers = triggers(u.Triggers, in.Triggers)
	return editRequest(name, &u.Request, &in.RequestConfig)
}

func editIntrospection(name string, i *oauth.Introspection, in *api.Introspection) error {
	if in.Enabled != nil {
		i.Enabled = new(*in.Enabled)
	}
	set(&i.ExpirationFormat, in.ExpirationFormat)
	i.Triggers = triggers(i.Triggers, in.Triggers)
	return editRequest(name, &i.Request, &in.RequestConfig)
}

// editOptional edits a copy of a section that may not be there yet.
func editOptional[T, In any](name string, section **T, in *In, edit func(string, *T, *In) error) error {
	if in == nil {
		return nil
	}
	var edited T
	if *section != nil {
		edited = **section
	}
	*section = &edited
	return edit(name, &edited, in)
}

func triggers(old *oauth.Triggers, in *api.Triggers) *oauth.Triggers {
	if in == nil {
		return old
	}
	var edited oauth.Triggers
	if old != nil {
		edited = *old
	}
	set(&edited.OnTokenGrant, in.OnTokenGrant)
	set(&edited.OnTokenRefresh, in.OnTokenRefresh)
	return &edited
}

func editExpiry(d *oauth.Definition, in *api.Expiry) error {
	if in == nil {
		return nil
	}
	return editDuration("expiry.default", &d.Expiry.Default, in.Default)
}

func editRefresh(d *oauth.Definition, in *api.RefreshPolicy) error {
	if in == nil {
		return nil
	}
	set(&d.Refresh.Ahead, in.Ahead)
	set(&d.Refresh.Rate, in.Rate)
	if in.OneGrantPerAccount != nil {
		d.Refresh.OneGrantPerAccount = new(*in.OneGrantPerAccount)
	}
	return firstError(
		editDuration("refresh.skew", &d.Refresh.Skew, in.Skew),
		editDuration("refresh.reuse_grace", &d.Refresh.ReuseGrace, in.ReuseGrace),
		editDuration("refresh.idle_expiry", &d.Refresh.IdleExpiry, in.IdleExpiry),
	)
}

func editDuration(name string, field *oauth.Duration, in *string) error {
	if in == nil {
		return nil
	}
	if err := field.UnmarshalText([]byte(*in)); err != nil {
		return keybearer.Errorf(keybearer.BadRequest, "%s: %w", name, err)
	}
	return nil
}

func listed(old, in []string) []string {
	if in == nil {
		return old
	}
	return in
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

package oauth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

func TestUserInfo(t *testing.T) {
	for name, c := range map[string]struct{ answer, responses, want string }{
		"whole object":       {`{"sub":"1","n":9007199254740993,"nested":{"a":[1,null]}}`, "", `{"n":9007199254740993,"nested":{"a":[1,null]},"sub":"1"}`},
		"own fields":         {`{"data":{"user":{"id":7,"mail":"a@example.com"}}}`, "{id: $.data.user.id, email: $.data.user.mail, none: $.nothing}", `{"email":"a@example.com","id":7}`},
		"list with own map":  {`[{"id":"site"}]`, "{site: '$[0].id', all: '$[*].id'}", `{"all":["site"],"site":"site"}`},
		"codes and messages": {`{"code":"x","message":"hello","status":"away"}`, "", `{"code":"x","message":"hello","status":"away"}`},
		"ok":                 {`{"ok":true,"error":null,"user":"u"}`, "", `{"error":null,"ok":true,"user":"u"}`},
		"error code ok":      {`{"data":{"user":"u"},"error":{"code":"ok","message":""}}`, "{user: $.data.user}", `{"user":"u"}`},
		"empty object":       {`{}`, "", `{}`},
	} {
		d := newDesk(t, c.answer)
		client := d.client()
		if c.responses != "" {
			client.Definition.UserInfoRequest.ResponseMap = responseMap(t, c.responses)
		}
		got, err := client.UserInfo(t.Context(), secret.New("access-0"))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, c.want)
		}
		if sent := d.last(t); sent.Method != "GET" || sent.Header.Get("Authorization") != "Bearer access-0" || sent.Body != "" {
			t.Errorf("%s: got a %s with %q, want a GET with the bearer token", name, sent.Method, sent.Header.Get("Authorization"))
		}
	}
}

func TestUserInfoAsPOSTWithHeaders(t *testing.T) {
	d := newDesk(t, `{"id":1}`)
	client := d.client()
	client.Definition.UserInfoRequest.Request = oauth.Request{
		Endpoint: d.URL + "?v=1", Method: "POST", Headers: map[string]string{"Notion-Version": "2022-06-28"},
		RequestContentType: oauth.ContentJSON, Params: map[string]string{"query": "{me{id}}"},
	}
	if _, err := client.UserInfo(t.Context(), secret.New("access-0")); err != nil {
		t.Fatal(err)
	}
	got := d.last(t)
	if got.Method != "POST" || got.Body != `{"query":"{me{id}}"}` || got.Query.Get("v") != "1" || got.Header.Get("Notion-Version") == "" {
		t.Errorf("got %s %v %s, want the POST of the definition", got.Method, got.Query, got.Body)
	}
	client.Definition.UserInfoRequest.Params = nil
	if _, err := client.UserInfo(t.Context(), secret.New("access-0")); err != nil || d.last(t).Header.Get("Content-Type") != "" {
		t.Errorf("without params: got %v and the type %q, want no body and no type", err, d.last(t).Header.Get("Content-Type"))
	}
}

func TestUserInfoThatFails(t *testing.T) {
	for answer, want := range map[string]struct {
		status int
		class  oauth.Class
		says   string
	}{
		`<html>`:                          {200, oauth.Misconfigured, "Check the endpoint"},
		``:                                {200, oauth.Misconfigured, "empty"},
		`[]`:                              {200, oauth.Misconfigured, "not a JSON object"},
		`{"sub":`:                         {200, oauth.Transient, "broken JSON"},
		`{"ok":false,"error":"no_scope"}`: {200, oauth.Misconfigured, "no_scope"},
		`{"error":"invalid_token"}`:       {401, oauth.Misconfigured, "401 invalid_token"},
		`{"code":403,"message":"scope"}`:  {403, oauth.ScopeMissing, "answered 403 (scope). The grant does not reach this far"},
		`{"error":"insufficient_scope"}`:  {401, oauth.ScopeMissing, "ask for the scope"},
		`x`:                               {503, oauth.Transient, "Try again later"},
	} {
		d := newDesk(t, answer)
		d.Status = want.status
		got, err := d.client().UserInfo(t.Context(), secret.New("access-0"))
		var e *oauth.Error
		if !errors.As(err, &e) || e.At != oauth.AtUserInfo || e.Class != want.class || !strings.Contains(err.Error(), want.says) || got != nil {
			t.Errorf("%s: got %s, %v, want %s: %s", answer, got, err, want.class, want.says)
		}
	}
}

func TestUserInfoOfTheProvider(t *testing.T) {
	p := newProvider(t, providertest.Config{})
	code, verifier := p.consent("read")
	answer, err := p.client.Exchange(t.Context(), code, verifier, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := p.client.UserInfo(t.Context(), answer.AccessToken)
	if want := `{"email":"alice@example.com","name":"Alice Adams","sub":"alice"}`; err != nil || string(info) != want {
		t.Errorf("got %s, %v, want %s", info, err, want)
	}
}

func TestWhatIsNotDefinedIsNotAsked(t *testing.T) {
	d := newDesk(t, goodAnswer)
	client := d.client()
	client.Definition = &oauth.Definition{TokenRequest: oauth.Request{Endpoint: d.URL}}
	if info, err := client.UserInfo(t.Context(), secret.New("a")); info != nil || err != nil {
		t.Errorf("user info: got %s, %v, want nothing", info, err)
	}
	if got, err := client.Introspect(t.Context(), oauth.TokenResponse{TokenType: "x"}); got.TokenType != "x" || err != nil {
		t.Errorf("introspection: got %v, %v, want what was given", got, err)
	}
	if err := client.Revoke(t.Context(), secret.New("r"), secret.New("a")); err != nil {
		t.Errorf("revocation: got %v, want nothing", err)
	}
	if d.requests() != 0 {
		t.Errorf("got %d requests, want none", d.requests())
	}
}

func TestTriggers(t *testing.T) {
	off, on := false, true
	for _, c := range []struct {
		triggers       *oauth.Triggers
		enabled        *bool
		grant, refresh bool
	}{
		{nil, nil, false, false},
		{&oauth.Triggers{}, nil, false, false},
		{&oauth.Triggers{OnTokenGrant: true}, nil, true, false},
		{&oauth.Triggers{OnTokenRefresh: true}, &on, false, true},
		{&oauth.Triggers{OnTokenGrant: true, OnTokenRefresh: true}, &off, false, false},
	} {
		d := oauth.Definition{TokenIntrospectionRequest: &oauth.Introspection{Enabled: c.enabled, Triggers: c.triggers}}
		if c.enabled == nil {
			d.UserInfoRequest = &oauth.UserInfo{Triggers: c.triggers}
			if d.AsksUserInfo(oauth.AtToken) != c.grant || d.AsksUserInfo(oauth.AtRefresh) != c.refresh || d.AsksUserInfo(oauth.AtCallback) {
				t.Errorf("%v: user info is asked for at the wrong time", c.triggers)
			}
		}
		if d.Introspects(oauth.AtToken) != c.grant || d.Introspects(oauth.AtRefresh) != c.refresh {
			t.Errorf("%v, enabled %v: introspection at the wrong time", c.triggers, c.enabled)
		}
	}
	if d := new(oauth.Definition); d.AsksUserInfo(oauth.AtToken) || d.Introspects(oauth.AtToken) {
		t.Error("nothing is asked for without a request")
	}
}

func TestIntrospection(t *testing.T) {
	const absolute, relative = oauth.ExpirationAbsolute, oauth.ExpirationRelative
	before := oauth.TokenResponse{AccessToken: secret.New("access-0"), Scopes: []string{"read"}, ExpiresAt: noon().Add(time.Minute)}
	for name, c := range map[string]struct {
		answer, responses, format string
		life                      time.Duration // of the token; 0: as before
		scopes                    []string      // nil: as before
		refused                   string
	}{
		"RFC 7662":              {answer: `{"active":true,"exp":1772370000,"scope":"write read"}`, life: time.Hour, scopes: []string{"read", "write"}},
		"exp is never relative": {answer: `{"exp":1772370000}`, format: relative, life: time.Hour},
		"own fields, absolute":  {answer: `{"e":"1772370000.5","s":["b","a","b"]}`, responses: "{expires_in: $.e, scope: $.s}", format: absolute, life: time.Hour + time.Second/2, scopes: []string{"a", "b"}},
		"own fields, default":   {answer: `{"e":1772370000}`, responses: "{expires_in: $.e}", life: time.Hour},
		"own fields, relative":  {answer: `{"e":"90"}`, responses: "{expires_in: $.e}", format: relative, life: 90 * time.Second},
		"nothing new":           {answer: `{"active":true}`},
		"not found":             {answer: `{"active":true,"exp":1772370000,"scope":"x"}`, responses: "{expires_in: $.e, scope: $.s}"},
		"empty and zero":        {answer: `{"exp":0,"scope":""}`},
		"nulls":                 {answer: `{"exp":null,"scope":null}`},
		"not active":            {answer: `{"active":false}`, refused: "not active"},
		"in the past":           {answer: `{"exp":1772366399}`, refused: "Check expiration_format"},
		"relative as absolute":  {answer: `{"e":3600}`, responses: "{expires_in: $.e}", refused: "Check expiration_format"},
		"absolute as relative":  {answer: `{"e":1772370000}`, responses: "{expires_in: $.e}", format: relative, refused: "Check expiration_format"},
		"milliseconds":          {answer: `{"exp":1772370000000}`, refused: "Check expiration_format"},
		"no number":             {answer: `{"exp":"soon"}`, refused: "not a number"},
		"infinite":              {answer: `{"exp":"inf"}`, refused: "too far ahead"},
		"not a number":          {answer: `{"exp":"NaN"}`, refused: "too far ahead"},
		"HTML":                  {answer: `<html>`, refused: "HTML"},
		"error inside":          {answer: `{"error":"invalid_client"}`, refused: "invalid_client"},
	} {
		d := newDesk(t, c.answer)
		client := d.client()
		client.Definition.TokenIntrospectionRequest = &oauth.Introspection{Request: oauth.Request{Endpoint: d.URL}, ExpirationFormat: c.format}
		if c.responses != "" {
			client.Definition.TokenIntrospectionRequest.ResponseMap = responseMap(t, c.responses)
		}
		want := before
		if c.life != 0 {
			want.ExpiresAt = noon().Add(c.life)
		}
		if c.scopes != nil {
			want.Scopes = c.scopes
		}
		got, err := client.Introspect(t.Context(), before)
		if (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: got the error %v, want %q", name, err, c.refused)
		}
		if !got.ExpiresAt.Equal(want.ExpiresAt) || !got.AccessToken.Equal(want.AccessToken) {
			t.Errorf("%s: got the expiry %s, want %s", name, got.ExpiresAt, want.ExpiresAt)
		}
		if diff := cmp.Diff(want.Scopes, got.Scopes); diff != "" {
			t.Errorf("%s: scopes (-want +got):\n%s", name, diff)
		}
	}
}

func TestIntrospectionOnTheWire(t *testing.T) {
	d := newDesk(t, `{"active":true}`)
	client := d.client()
	client.Definition.TokenIntrospectionRequest = &oauth.Introspection{Request: oauth.Request{Endpoint: d.URL}}
	before := oauth.TokenResponse{AccessToken: secret.New("access-0")}
	if _, err := client.Introspect(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if got := d.last(t); got.Method != "GET" || got.Query.Encode() != "token=access-0" || got.Header.Get("Authorization") != basic("app", "s3cret-value") {
		t.Errorf("got %s ?%s with %s, want a GET with the token and Basic", got.Method, got.Query.Encode(), got.Header.Get("Authorization"))
	}
	client.Definition.TokenIntrospectionRequest.Request = oauth.Request{Endpoint: d.URL, Method: "POST", AuthMethod: oauth.AuthBearerAccessToken}
	if _, err := client.Introspect(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if got := d.last(t); got.Method != "POST" || got.Body != "token=access-0" || got.Header.Get("Authorization") != "Bearer access-0" {
		t.Errorf("got %s %s with %s, want a POST with the token as bearer", got.Method, got.Body, got.Header.Get("Authorization"))
	}
}

func TestIntrospectionOfTheProvider(t *testing.T) {
	p := newProvider(t, providertest.Config{})
	p.client.Definition.TokenIntrospectionRequest = &oauth.Introspection{Request: oauth.Request{Endpoint: p.server.URL + "/introspect", Method: "POST"}}
	code, verifier := p.consent("write", "read")
	p.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "expires_missing"})
	answer, err := p.client.Exchange(t.Context(), code, verifier, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.client.Introspect(t.Context(), answer)
	if err != nil || !got.ExpiresAt.Equal(noon().Add(time.Hour)) || strings.Join(got.Scopes, " ") != "read write" {
		t.Errorf("got %s, %v, %v, want an hour and both scopes", got.ExpiresAt, got.Scopes, err)
	}
}

func TestRevocation(t *testing.T) {
	refresh, access := secret.New("refresh-0"), secret.New("access-0")
	for name, c := range map[string]struct {
		request         oauth.Request
		refresh, access secret.String
		want            []string
	}{
		"refresh token first": {oauth.Request{}, refresh, access, []string{
			"client_id=app&client_secret=s3cret-value&token=refresh-0", "client_id=app&client_secret=s3cret-value&token=access-0",
		}},
		"access token only":    {oauth.Request{}, secret.String{}, access, []string{"client_id=app&client_secret=s3cret-value&token=access-0"}},
		"nothing to revoke":    {oauth.Request{}, secret.String{}, secret.String{}, nil},
		"basic":                {oauth.Request{AuthMethod: oauth.AuthClientSecretBasic}, refresh, secret.String{}, []string{"token=refresh-0"}},
		"named tokens go once": {oauth.Request{Params: map[string]string{"token": "{{access_token}}"}}, refresh, access, []string{"token=access-0"}},
		"bearer goes once":     {oauth.Request{AuthMethod: oauth.AuthBearerAccessToken, Params: map[string]string{"a": "b"}}, refresh, access, []string{"a=b"}},
	} {
		d := newDesk(t, "")
		client := d.client()
		c.request.Endpoint = d.URL
		client.Definition.RevokeRequest = &c.request
		if err := client.Revoke(t.Context(), c.refresh, c.access); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, s := range d.sent {
			got = append(got, s.Body)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRevocationGoesOnAfterAFailure(t *testing.T) {
	p := newProvider(t, providertest.Config{})
	p.client.Definition.RevokeRequest = &oauth.Request{Endpoint: p.server.URL + "/revoke"}
	code, verifier := p.consent("read")
	answer, err := p.client.Exchange(t.Context(), code, verifier, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.server.Inject(providertest.Fault{Endpoint: providertest.Revoke, Name: "unavailable", Times: 1})
	err = p.client.Revoke(t.Context(), answer.RefreshToken, answer.AccessToken)
	var e *oauth.Error
	if !errors.As(err, &e) || e.At != oauth.AtRevocation || e.Status != 503 {
		t.Errorf("got %v, want the failure of the first", err)
	}
	if _, err := p.client.UserInfo(t.Context(), answer.AccessToken); err == nil {
		t.Error("the access token lives on")
	}
	if err := p.client.Revoke(t.Context(), answer.RefreshToken, answer.AccessToken); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := p.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, nil); err == nil {
		t.Error("the refresh token lives on")
	}
}

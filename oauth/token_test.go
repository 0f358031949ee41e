package oauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

func responseMap(t testing.TB, text string) oauth.ResponseMap {
	t.Helper()
	var m oauth.ResponseMap
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// tokens is a TokenResponse in plain texts.
type tokens struct {
	Access, Refresh, ID, Type, Scopes string
	Life                              time.Duration
}

func plain(r oauth.TokenResponse) tokens {
	life := time.Duration(0)
	if !r.ExpiresAt.IsZero() {
		life = r.ExpiresAt.Sub(r.IssuedAt)
	}
	return tokens{r.AccessToken.Reveal(), r.RefreshToken.Reveal(), r.IDToken.Reveal(), r.TokenType, strings.Join(r.Scopes, " "), life}
}

func TestTokenAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer     string
		responses  string
		definition oauth.Definition
		want       tokens
	}{
		"standard": {
			answer: `{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r","scope":"write read","id_token":"i"}`,
			want:   tokens{"a", "r", "i", "Bearer", "read write", time.Hour},
		},
		"least":           {answer: `{"access_token":"a"}`, want: tokens{Access: "a", Scopes: "read write"}},
		"blanks around":   {answer: "\r\n {\"access_token\":\"a\"} \n", want: tokens{Access: "a", Scopes: "read write"}},
		"form":            {answer: "access_token=a%2Bb&scope=read%2Cadmin&token_type=bearer&expires_in=60", want: tokens{"a+b", "", "", "bearer", "admin read", time.Minute}},
		"form with blank": {answer: "access_token=a&scope=read admin\n", want: tokens{Access: "a", Scopes: "admin read"}},
		"form in spite of the response map": {
			answer: "access_token=a&expires_in=60", responses: "{access_token: $.access_token}",
			want: tokens{Access: "a", Scopes: "read write", Life: time.Minute},
		},
		"nested (seed)": {
			answer:    `{"data":{"access_token":"a","expires_in":3600,"refresh_token":"r","scope":"read"}}`,
			responses: "{access_token: $.data.access_token, expires_in: $.data.expires_in, refresh_token: $.data.refresh_token, scope: $.data.scope}",
			want:      tokens{"a", "r", "", "", "read", time.Hour},
		},
		"joined scopes (seed)": {
			answer:    `{"access_token":"a","expires_in":3600,"scope":["scope1","scope2"]}`,
			responses: `{access_token: $.access_token, expires_in: $.expires_in, scope: "join('$.scope', ' ')"}`,
			want:      tokens{Access: "a", Scopes: "scope1 scope2", Life: time.Hour},
		},
		"scopes of a JWT": {
			answer:    `{"access_token":"` + unsignedJWT(`{"scp":["x","y"]}`) + `"}`,
			responses: `{scope: "join(jwt_decode('$.access_token', '$.scp'), ' ')"}`,
			want:      tokens{Access: unsignedJWT(`{"scp":["x","y"]}`), Scopes: "x y"},
		},
		"list at the root": {
			answer: `[{"access_token":"a"}]`, responses: "{access_token: '$[0].access_token'}",
			want: tokens{Access: "a", Scopes: "read write"},
		},
		"the user's token of two": {
			answer:     `{"ok":true,"access_token":"bot","token_type":"bot","authed_user":{"access_token":"user","token_type":"user","scope":"read,admin"}}`,
			responses:  "{access_token: $.authed_user.access_token, token_type: $.authed_user.token_type, scope: $.authed_user.scope}",
			definition: oauth.Definition{ScopeDelimiter: ",", TokenTypes: []string{"User"}},
			want:       tokens{Access: "user", Type: "user", Scopes: "admin read"},
		},
		"expiry that is missing where the map looks": {
			answer: `{"access_token":"a","expires_in":60}`, responses: "{expires_in: $.data.expires_in}",
			want: tokens{Access: "a", Scopes: "read write"},
		},
		"default expiry": {
			answer: `{"access_token":"a"}`, definition: oauth.Definition{Expiry: oauth.Expiry{Default: oauth.Duration(time.Hour)}},
			want: tokens{Access: "a", Scopes: "read write", Life: time.Hour},
		},
		"no error":           {answer: `{"access_token":"a","error":null,"code":200,"message":"done","ok":true}`, want: tokens{Access: "a", Scopes: "read write"}},
		"error object of 0":  {answer: `{"access_token":"a","error":{"code":0,"message":""}}`, want: tokens{Access: "a", Scopes: "read write"}},
		"error object of ok": {answer: `{"access_token":"a","error":{"code":"ok","message":"","log_id":"1"}}`, want: tokens{Access: "a", Scopes: "read write"}},
		"nothing but nulls":  {answer: `{"access_token":"a","refresh_token":null,"scope":null,"expires_in":null,"token_type":null}`, want: tokens{Access: "a", Scopes: "read write"}},
		"lists in odd shape": {answer: `{"access_token":"a","refresh_token":["r"],"scope":["read admin",null,{}],"token_type":{}}`, want: tokens{Access: "a", Scopes: "admin read"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, c.answer)
			client := d.client()
			c.definition.TokenRequest = oauth.Request{Endpoint: d.URL}
			if c.responses != "" {
				c.definition.TokenRequest.ResponseMap = responseMap(t, c.responses)
			}
			client.Definition = &c.definition
			got, err := d.exchange(t, client)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, plain(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLifetimes(t *testing.T) {
	const refused = time.Duration(-1)
	for spelled, want := range map[string]time.Duration{
		`3600`: time.Hour, `"3600"`: time.Hour, `" 3600 "`: time.Hour, `3600.0`: time.Hour, `"3600.5"`: time.Hour + 500*time.Millisecond,
		`3.6e3`: time.Hour, `"+60"`: time.Minute, `0`: 0, `"0"`: 0, `0.0`: 0, `-0`: 0, `1e-30`: 0, `null`: 0, `""`: 0, `" "`: 0,
		`315360000`: tenYears, `315360001`: tenYears, `1e300`: tenYears, `1e999`: tenYears, `"1e999"`: tenYears,
		`-1`: refused, `"-1"`: refused, `-1e999`: refused, `"soon"`: refused, `"1h"`: refused, `"inf"`: refused, `"NaN"`: refused, `"0x10"`: refused,
		`"1_000"`: refused, `"e"`: refused, `"1 2"`: refused, `"3,600"`: refused, `true`: refused, `[60]`: refused, `{"s":60}`: refused,
		`"2026-03-01T13:00:00Z"`: refused,
	} {
		d := newDesk(t, `{"access_token":"a","expires_in":`+spelled+`}`)
		got, err := d.exchange(t, d.client())
		switch {
		case (err != nil) != (want == refused):
			t.Errorf("%s: got %v, want a refusal: %v", spelled, err, want == refused)
		case err == nil && plain(got).Life != want:
			t.Errorf("%s: got %s, want %s", spelled, plain(got).Life, want)
		}
		again, err := d.refresh(t, d.client())
		if err != nil || want == refused && (len(again.Warnings) != 1 || !again.ExpiresAt.IsZero()) {
			t.Errorf("%s: at a refresh got %v, %v, want a token", spelled, again.Warnings, err)
		}
	}
}

func TestErrorsInGoodAnswers(t *testing.T) {
	for answer, want := range map[string]struct {
		class oauth.Class
		says  string
	}{
		`{"error":"bad_verification_code","error_description":"expired"}`: {oauth.Reconsent, "200 bad_verification_code (expired)"},
		`{"ok":false,"error":"invalid_code"}`:                             {oauth.Reconsent, "200 invalid_code"},
		`{"ok":false}`:                                                    {oauth.Misconfigured, "the provider answered 200"},
		`{"ok":false,"access_token":"a"}`:                                 {oauth.Misconfigured, "the provider answered 200"},
		`{"errcode":40029,"errmsg":"invalid code"}`:                       {oauth.Misconfigured, "200 40029 (invalid code)"},
		`{"code":20014,"msg":"wrong app"}`:                                {oauth.Misconfigured, "200 20014 (wrong app)"},
		`{"error":{"code":"E7","message":"no"}}`:                          {oauth.Misconfigured, "200 E7 (no)"},
		`{"error":{"type":"bad"}}`:                                        {oauth.Misconfigured, "200 bad"},
		`{"type":"error","error":{"message":"no"}}`:                       {oauth.Misconfigured, "200 (no): the answer has no access_token"},
		`{"error":"x","access_token":"a"}`:                                {oauth.Misconfigured, "200 x"},
		`{"error":"server_error"}`:                                        {oauth.Transient, "200 server_error"},
		`error=incorrect_client_credentials&error_description=no`:         {oauth.Misconfigured, "200 incorrect_client_credentials (no). Check client_id"},
		`{}`:                                 {oauth.Misconfigured, "the answer has no access_token. Check response_map"},
		`{"access_token":true}`:              {oauth.Misconfigured, "the answer has no access_token"},
		`{"access_token":["a"]}`:             {oauth.Misconfigured, "the answer has no access_token"},
		`{"access_token":"a\u0000"}`:         {oauth.Misconfigured, "characters"},
		`{"access_token":"ä"}`:               {oauth.Misconfigured, "characters"},
		`{"access_token":"a"}{"b":1}`:        {oauth.Transient, "broken JSON"},
		`{"access_token":"a"}}`:              {oauth.Transient, "broken JSON"},
		`not found`:                          {oauth.Misconfigured, "neither JSON nor a form"},
		`"text"`:                             {oauth.Misconfigured, "neither JSON nor a form"},
		`a=%zz`:                              {oauth.Misconfigured, "neither JSON nor a form"},
		`Warning: x="y" in <b>index.php</b>`: {oauth.Misconfigured, "neither JSON nor a form"},
	} {
		d := newDesk(t, answer)
		got, err := d.exchange(t, d.client())
		var e *oauth.Error
		if !errors.As(err, &e) || e.Class != want.class || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%s\n got %v\nwant %s: %s", answer, err, want.class, want.says)
		}
		if !got.AccessToken.IsZero() {
			t.Errorf("%s: a token came with an error", answer)
		}
	}
}

// Slack has the bot's token where the user's would be looked for by habit.
func TestFieldThatTheMapDoesNotFindIsAbsent(t *testing.T) {
	d := newDesk(t, `{"ok":true,"access_token":"bot","authed_user":{"id":"u"}}`)
	client := d.client()
	client.Definition.TokenRequest.ResponseMap = responseMap(t, "{access_token: $.authed_user.access_token}")
	if got, err := d.exchange(t, client); err == nil || !got.AccessToken.IsZero() {
		t.Errorf("got %v, want no token", err)
	}
}

func TestNestedAnswersAreFoundByTheMap(t *testing.T) {
	for fault, responses := range map[string]string{
		"nested":      "{access_token: $.data.access_token, refresh_token: $.data.refresh_token, expires_in: $.data.expires_in, scope: $.data.scope}",
		"nested_list": "{access_token: ['$.access_token', '$.data[0].access_token'], refresh_token: '$.data[0].refresh_token'}",
	} {
		p := newProvider(t, providertest.Config{})
		p.client.Definition.TokenRequest.ResponseMap = responseMap(t, responses)
		code, verifier := p.consent("read")
		p.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault})
		got, err := p.client.Exchange(t.Context(), code, verifier, []string{"read"})
		if err != nil || got.AccessToken.IsZero() || got.RefreshToken.IsZero() {
			t.Errorf("%s: got %v, want both tokens", fault, err)
		}
	}
}

// The old refresh token may be spent: whatever is wrong with the access token beside it, the new one
// is not thrown away.
func TestRefusedRefreshHandsBackTheNextRefreshToken(t *testing.T) {
	for answer, want := range map[string]string{
		`{"refresh_token":"refresh-1"}`:                                        "refresh-1",
		`{"access_token":"","refresh_token":"refresh-1"}`:                      "refresh-1",
		`{"access_token":"a\nb","refresh_token":"refresh-1"}`:                  "refresh-1",
		`{"access_token":"a","token_type":"DPoP","refresh_token":"refresh-1"}`: "refresh-1",
		`{"error":"server_error","refresh_token":"refresh-1"}`:                 "refresh-1",
		`{"error":"invalid_grant"}`:                                            "",
		`{"access_token":"a","token_type":"DPoP"}`:                             "",
	} {
		d := newDesk(t, answer)
		got, err := d.refresh(t, d.client())
		if err == nil || got.RefreshToken.Reveal() != want || !got.AccessToken.IsZero() {
			t.Errorf("%s: got %v with a refresh token: %v, want one: %v", answer, err, !got.RefreshToken.IsZero(), want != "")
		}
	}
}

func TestRefreshIsTolerant(t *testing.T) {
	d := newDesk(t, `{"access_token":"a","error":"partial","expires_in":"soon"}`)
	got, err := d.refresh(t, d.client())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tokens{Access: "a", Refresh: "refresh-0", Scopes: "read write"}, plain(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(got.Warnings) != 2 {
		t.Errorf("got the warnings %q, want one for the error and one for the expiry", got.Warnings)
	}
}

func TestRefreshWithoutWhatItNeeds(t *testing.T) {
	d := newDesk(t, goodAnswer)
	client := d.client()
	var e *oauth.Error
	if _, err := client.Refresh(t.Context(), secret.String{}, secret.New("a"), nil); !errors.As(err, &e) || e.Class != oauth.Reconsent {
		t.Errorf("without a refresh token: got %v, want reconsent", err)
	}
	client.Definition.RefreshRequest = nil
	if _, err := d.refresh(t, client); !errors.As(err, &e) || e.Class != oauth.Reconsent || client.CanRefresh() {
		t.Errorf("without refresh_request: got %v, want reconsent", err)
	}
	if d.requests() != 0 {
		t.Errorf("got %d requests, want none", d.requests())
	}
}

func TestExchangeWithoutARefreshTokenWarns(t *testing.T) {
	for answer, want := range map[string]int{
		`{"access_token":"a","expires_in":60}`:                     1,
		`{"access_token":"a"}`:                                     0, // never expires
		`{"access_token":"a","expires_in":60,"refresh_token":"r"}`: 0,
	} {
		d := newDesk(t, answer)
		if got, err := d.exchange(t, d.client()); err != nil || len(got.Warnings) != want {
			t.Errorf("%s: got %q, %v, want %d warnings", answer, got.Warnings, err, want)
		}
	}
}

// A provider counts the life from its own work on, and its answer may be long on the way.
func TestLifeIsCountedFromTheRequestNotFromTheAnswer(t *testing.T) {
	p := newProvider(t, providertest.Config{AccessLifetime: time.Minute})
	now := noon()
	p.client.Now = func() time.Time { return now }
	carrier := p.client.HTTP.Transport
	p.client.HTTP.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		defer func() { now = now.Add(19 * time.Second) }()
		return carrier.RoundTrip(r)
	})
	code, verifier := p.consent("read")
	first, err := p.client.Exchange(t.Context(), code, verifier, []string{"read"})
	if want := noon().Add(time.Minute); err != nil || !first.ExpiresAt.Equal(want) {
		t.Errorf("exchange: got the end %s, %v, want %s", first.ExpiresAt, err, want)
	}
	asked := now
	next, err := p.client.Refresh(t.Context(), first.RefreshToken, first.AccessToken, []string{"read"})
	if want := asked.Add(time.Minute); err != nil || !next.ExpiresAt.Equal(want) || !next.IssuedAt.Equal(asked) {
		t.Errorf("refresh: got %s to %s, %v, want %s to %s", next.IssuedAt, next.ExpiresAt, err, asked, want)
	}
}

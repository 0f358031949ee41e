package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

// basic is an Authorization header as RFC 7617 spells it.
func basic(id, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+password))
}

func form(pairs ...string) url.Values {
	out := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
	}
	return out
}

func TestExchangeOnTheWire(t *testing.T) {
	ordinary := form("grant_type", "authorization_code", "redirect_uri", redirectURI, "code", "code-value", "code_verifier", "verifier-value")
	with := func(pairs ...string) url.Values {
		out := maps.Clone(ordinary)
		maps.Copy(out, form(pairs...))
		return out
	}
	vendorStyle := map[string]string{
		"grant_type": "authorization_code", "redirect_uri": "{{redirect_uri}}", "client_id": "{{client_id}}", "client_secret": "{{client_secret}}",
	}
	for name, c := range map[string]struct {
		request       oauth.Request
		public        bool
		body          url.Values
		query         url.Values
		authorization string
	}{
		"ordinary params": {
			body: with("client_id", "app", "client_secret", "s3cret-value"),
		},
		"auth_method none": {
			request: oauth.Request{AuthMethod: oauth.AuthNone, Params: vendorStyle},
			body:    with("client_id", "app", "client_secret", "s3cret-value"),
		},
		"none without credentials in params": {
			request: oauth.Request{Params: map[string]string{"grant_type": "authorization_code", "redirect_uri": "{{redirect_uri}}"}},
			body:    with(),
		},
		"post adds what is missing": {
			request: oauth.Request{AuthMethod: oauth.AuthClientSecretPost, Params: map[string]string{
				"grant_type": "authorization_code", "redirect_uri": "{{redirect_uri}}", "app_id": "{{client_id}}",
			}},
			body: with("app_id", "app", "client_secret", "s3cret-value"),
		},
		"basic takes the credentials out of params": {
			request:       oauth.Request{AuthMethod: oauth.AuthClientSecretBasic, Params: vendorStyle},
			body:          with(),
			authorization: basic("app", "s3cret-value"),
		},
		"basic and ordinary params": {
			request:       oauth.Request{AuthMethod: oauth.AuthClientSecretBasic},
			body:          with(),
			authorization: basic("app", "s3cret-value"),
		},
		"basic leaves a client id with another meaning": {
			request: oauth.Request{AuthMethod: oauth.AuthClientSecretBasic, Params: map[string]string{
				"grant_type": "authorization_code", "redirect_uri": "{{redirect_uri}}", "audience": "api/{{client_id}}", "key": "{{client_secret}}",
			}},
			body:          with("audience", "api/app"),
			authorization: basic("app", "s3cret-value"),
		},
		"basic twice by wish": {
			request:       oauth.Request{AuthMethod: oauth.AuthClientSecretBasic, SendCredentialsTwice: true, Params: vendorStyle},
			body:          with("client_id", "app", "client_secret", "s3cret-value"),
			authorization: basic("app", "s3cret-value"),
		},
		"basic without a secret": {
			request: oauth.Request{AuthMethod: oauth.AuthClientSecretBasic}, public: true,
			body: with("client_id", "app"),
		},
		"basic without a secret and without client_id in params": {
			request: oauth.Request{AuthMethod: oauth.AuthClientSecretBasic, Params: map[string]string{"grant_type": "authorization_code", "redirect_uri": "{{redirect_uri}}"}},
			public:  true,
			body:    with("client_id", "app"),
		},
		"post without a secret": {
			request: oauth.Request{AuthMethod: oauth.AuthClientSecretPost}, public: true,
			body: with("client_id", "app"),
		},
		"none without a secret": {
			public: true,
			body:   with("client_id", "app"),
		},
		"header format with the secret": {
			request: oauth.Request{
				AuthMethod: oauth.AuthClientSecretPost, AuthHeaderValueFormat: "Client {{client_id}} {{ client_secret }}", Params: vendorStyle,
			},
			body:          with(),
			authorization: "Client app s3cret-value",
		},
		"header format without the secret": {
			request:       oauth.Request{AuthHeaderValueFormat: "App {{client_id}}", Params: vendorStyle},
			body:          with("client_id", "app", "client_secret", "s3cret-value"),
			authorization: "App app",
		},
		"other names for code and verifier": {
			request: oauth.Request{Params: map[string]string{"auth_code": "{{code}}", "proof": "{{code_verifier}}", "again": "{{state}}"}},
			body:    form("auth_code", "code-value", "proof", "verifier-value", "again", "state-value"),
		},
		"code by hand": {
			request: oauth.Request{Params: map[string]string{"code": "{{code}}", "code_verifier": "{{code_verifier}}"}},
			body:    form("code", "code-value", "code_verifier", "verifier-value"),
		},
		"params named like what is sent by itself": {
			request: oauth.Request{Params: map[string]string{"code": "", "code_verifier": "fixed"}},
			body:    form("code", "code-value", "code_verifier", "verifier-value"),
		},
		"scopes": {
			request: oauth.Request{Params: map[string]string{"scope": "openid {{scopes}}"}},
			body:    form("scope", "openid read write offline", "code", "code-value", "code_verifier", "verifier-value"),
		},
		"query of the endpoint": {
			request: oauth.Request{Endpoint: "?tenant=1&tenant=2&grant_type=old&redirect_uri=x"},
			body:    with("client_id", "app", "client_secret", "s3cret-value"),
			query:   url.Values{"tenant": {"1", "2"}},
		},
		"GET": {
			request: oauth.Request{Endpoint: "?tenant=1&code=old", Method: http.MethodGet, Params: map[string]string{"appid": "{{client_id}}"}},
			body:    url.Values{},
			query:   form("tenant", "1", "appid", "app", "code", "code-value", "code_verifier", "verifier-value"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, goodAnswer)
			client := d.client()
			client.Definition.Scopes.Always = []string{"offline"}
			client.State = secret.New("state-value")
			if c.public {
				client.Secret = secret.String{}
			}
			c.request.Endpoint = d.URL + c.request.Endpoint
			client.Definition.TokenRequest = c.request
			if _, err := d.exchange(t, client); err != nil {
				t.Fatal(err)
			}
			got := d.last(t)
			if diff := cmp.Diff(c.body, got.form(t)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if c.query == nil {
				c.query = url.Values{}
			}
			if diff := cmp.Diff(c.query, got.Query); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
			if auth := got.Header.Get("Authorization"); auth != c.authorization {
				t.Errorf("got the Authorization %q, want %q", auth, c.authorization)
			}
			if got.Header.Get("Accept") != "application/json" || !strings.HasPrefix(got.Header.Get("User-Agent"), "keybearer") {
				t.Errorf("got the headers %v, want Accept and our User-Agent", got.Header)
			}
		})
	}
}

func TestRefreshOnTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		exchange      map[string]string
		request       oauth.Request
		body          url.Values
		authorization string
	}{
		"ordinary params": {
			body: form("grant_type", "refresh_token", "refresh_token", "refresh-0", "client_id", "app", "client_secret", "s3cret-value"),
		},
		"documented sample without refresh_token": {
			exchange: map[string]string{"grant_type": "authorization_code"},
			request:  oauth.Request{Params: map[string]string{"grant_type": "refresh_token", "client_id": "{{client_id}}"}},
			body:     form("grant_type", "refresh_token", "refresh_token", "refresh-0", "client_id", "app"),
		},
		"grant_type is added where the exchange has one": {
			exchange: map[string]string{"grant_type": "authorization_code"},
			request:  oauth.Request{Params: map[string]string{"token": "{{refresh_token}}"}},
			body:     form("grant_type", "refresh_token", "token", "refresh-0"),
		},
		"grant_type is not forced where the exchange has none": {
			exchange: map[string]string{"type": "web_server"},
			request:  oauth.Request{Params: map[string]string{"type": "refresh", "refresh_token": "{{refresh_token}}"}},
			body:     form("type", "refresh", "refresh_token", "refresh-0"),
		},
		"the access token is what is renewed": {
			request: oauth.Request{Params: map[string]string{"grant_type": "ig_refresh_token", "access_token": "{{access_token}}"}},
			body:    form("grant_type", "ig_refresh_token", "access_token", "access-0"),
		},
		"redirect_uri and scopes again": {
			request: oauth.Request{Params: map[string]string{"redirect_uri": "{{redirect_uri}}", "scope": "{{scopes}}", "granted": "{{granted_scopes}}"}},
			body: form("grant_type", "refresh_token", "refresh_token", "refresh-0", "redirect_uri", redirectURI,
				"scope", "read write", "granted", "read write"),
		},
		"basic": {
			request:       oauth.Request{AuthMethod: oauth.AuthClientSecretBasic},
			body:          form("grant_type", "refresh_token", "refresh_token", "refresh-0"),
			authorization: basic("app", "s3cret-value"),
		},
		"bearer": {
			request:       oauth.Request{AuthMethod: oauth.AuthBearerAccessToken},
			body:          form("grant_type", "refresh_token", "refresh_token", "refresh-0"),
			authorization: "Bearer access-0",
		},
		"header format": {
			request:       oauth.Request{AuthHeaderValueFormat: "Token {{access_token}}", Params: map[string]string{"refresh_token": "{{refresh_token}}"}},
			body:          form("grant_type", "refresh_token", "refresh_token", "refresh-0"),
			authorization: "Token access-0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, goodAnswer)
			client := d.client()
			client.Definition.TokenRequest.Params = c.exchange
			client.Definition.RefreshRequest = &c.request
			if _, err := d.refresh(t, client); err != nil {
				t.Fatal(err)
			}
			got := d.last(t)
			if diff := cmp.Diff(c.body, got.form(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if auth := got.Header.Get("Authorization"); auth != c.authorization {
				t.Errorf("got the Authorization %q, want %q", auth, c.authorization)
			}
		})
	}
}

func TestRefreshGoesToItsOwnEndpoint(t *testing.T) {
	exchange, refresh := newDesk(t, goodAnswer), newDesk(t, goodAnswer)
	client := exchange.client()
	client.Definition.RefreshRequest.Endpoint = refresh.URL
	if _, err := refresh.refresh(t, client); err != nil || exchange.requests() != 0 || refresh.requests() != 1 {
		t.Errorf("got %v, %d requests at the exchange, %d at the refresh, want 0 and 1", err, exchange.requests(), refresh.requests())
	}
}

// A secret that RFC 6749 section 2.3.1 makes different from RFC 7617.
func TestBasicEncoding(t *testing.T) {
	const id, password = "app id", "a:%+ é"
	for encoding, want := range map[string]string{
		"":     basic("app+id", "a%3A%25%2B+%C3%A9"),
		"form": basic("app+id", "a%3A%25%2B+%C3%A9"),
		"raw":  basic(id, password),
	} {
		d := newDesk(t, goodAnswer)
		client := d.client()
		client.ID, client.Secret = id, secret.New(password)
		client.Definition.TokenRequest.AuthMethod = oauth.AuthClientSecretBasic
		client.Definition.TokenRequest.BasicEncoding = encoding
		if _, err := d.exchange(t, client); err != nil {
			t.Fatal(err)
		}
		if got := d.last(t).Header.Get("Authorization"); got != want {
			t.Errorf("%q: got %s, want %s", encoding, got, want)
		}
	}
}

func TestJSONRequest(t *testing.T) {
	d := newDesk(t, goodAnswer)
	client := d.client()
	client.Secret = secret.New(`"<&>\ é`)
	client.Definition.TokenRequest.RequestContentType = oauth.ContentJSON
	if _, err := d.exchange(t, client); err != nil {
		t.Fatal(err)
	}
	got := d.last(t)
	var body map[string]string
	if err := json.Unmarshal([]byte(got.Body), &body); err != nil || got.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %q as %q: %v", got.Body, got.Header.Get("Content-Type"), err)
	}
	want := map[string]string{
		"grant_type": "authorization_code", "redirect_uri": redirectURI, "client_id": "app", "client_secret": `"<&>\ é`,
		"code": "code-value", "code_verifier": "verifier-value",
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHeadersOfTheDefinition(t *testing.T) {
	d := newDesk(t, goodAnswer)
	client := d.client()
	client.Definition.TokenRequest.Headers = map[string]string{
		"x-api-key": "key-{{client_id}}", "Accept": "text/plain", "User-Agent": "web:{{client_id}}:1", "Authorization": "Own {{client_secret}}",
	}
	if _, err := d.exchange(t, client); err != nil {
		t.Fatal(err)
	}
	got := d.last(t).Header
	for name, want := range map[string]string{
		"X-Api-Key": "key-app", "Accept": "text/plain", "User-Agent": "web:app:1", "Authorization": "Own s3cret-value",
	} {
		if got.Get(name) != want || len(got.Values(name)) != 1 {
			t.Errorf("%s: got %q, want %q once", name, got.Values(name), want)
		}
	}
}

func TestHeaderWithALineBreakIsNotSent(t *testing.T) {
	d := newDesk(t, goodAnswer)
	client := d.client()
	client.Secret = secret.New("s3cret\r\nX-Injected: yes")
	client.Definition.TokenRequest.Headers = map[string]string{"X-Key": "{{client_secret}}"}
	_, err := d.exchange(t, client)
	var e *oauth.Error
	if !errors.As(err, &e) || e.Class != oauth.Misconfigured || d.requests() != 0 || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v after %d requests, want a refusal before the first", err, d.requests())
	}
}

// Blanks at the ends of a secret belong to it.
func TestValuesAreSentAsTheyAre(t *testing.T) {
	d := newDesk(t, goodAnswer)
	client := d.client()
	client.Secret = secret.New(" s3cret ")
	if _, err := d.exchange(t, client); err != nil {
		t.Fatal(err)
	}
	if got := d.last(t).form(t).Get("client_secret"); got != " s3cret " {
		t.Errorf("got %q, want the blanks kept", got)
	}
}

// The strict server refuses what comes twice or both ways, decodes Basic as RFC 6749 says and checks
// the verifier.
func TestStrictServerIsContent(t *testing.T) {
	for name, bend := range map[string]func(*oauth.Definition){
		"post":   func(d *oauth.Definition) {},
		"basic":  func(d *oauth.Definition) { d.TokenRequest.AuthMethod = oauth.AuthClientSecretBasic },
		"JSON":   func(d *oauth.Definition) { d.TokenRequest.RequestContentType = oauth.ContentJSON },
		"vendor": func(d *oauth.Definition) { d.TokenRequest = vendorFullExample(d.TokenRequest.Endpoint) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, providertest.Config{RequirePKCE: true, Formats: []string{"form", "json"}})
			bend(p.client.Definition)
			code, verifier := p.consent("read")
			answer, err := p.client.Exchange(t.Context(), code, verifier, []string{"read"})
			if err != nil {
				t.Fatal(err)
			}
			again, err := p.client.Refresh(t.Context(), answer.RefreshToken, answer.AccessToken, answer.Scopes)
			if err != nil || again.RefreshToken.Equal(answer.RefreshToken) || again.AccessToken.IsZero() {
				t.Errorf("got %v, want new tokens", err)
			}
		})
	}
}

// vendorFullExample has the credentials in the header and in params.
func vendorFullExample(endpoint string) oauth.Request {
	return oauth.Request{
		Endpoint: endpoint, AuthMethod: oauth.AuthClientSecretBasic,
		Params: map[string]string{
			"grant_type": "authorization_code", "redirect_uri": "{{redirect_uri}}", "client_id": "{{client_id}}", "client_secret": "{{client_secret}}",
		},
	}
}

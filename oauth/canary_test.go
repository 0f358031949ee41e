package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

// canaries are secrets with all that encodings change.
func canaries() map[string]string {
	const odd = `/ +&"<é%41\n=`
	return map[string]string{
		"client_secret": "client-canary" + odd, "code": "code-canary" + odd, "code_verifier": "verifier-canary" + odd, "state": "state-canary" + odd,
		"refresh_token": "refresh-canary" + odd, "access_token": "access-canary+/=", "device_code": "device-canary" + odd,
	}
}

// disguises are the ways in which a provider may repeat a text.
func disguises() map[string]func(string) string {
	twice := func(f func(string) string) func(string) string { return func(s string) string { return f(f(s)) } }
	quoted := func(s string) string {
		out, _ := json.Marshal(s) // a string always marshals
		return strings.Trim(string(out), `"`)
	}
	return map[string]func(string) string{
		"plain":            func(s string) string { return s },
		"form":             url.QueryEscape,
		"path":             url.PathEscape,
		"form, lower case": func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2F", "%2f") },
		"form twice":       twice(url.QueryEscape),
		"JSON":             quoted,
		"JSON twice":       twice(quoted),
		"JSON, slashes":    func(s string) string { return strings.ReplaceAll(quoted(s), "/", `\/`) },
		"HTML":             html.EscapeString,
		"HTML of form":     func(s string) string { return html.EscapeString(url.QueryEscape(s)) },
		"base64":           func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64, URL":      func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("x" + s)) },
		"Basic": func(s string) string {
			return "Basic+" + base64.StdEncoding.EncodeToString([]byte("app:"+url.QueryEscape(s)))
		},
		"base64 of base64": func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(s))))
		},
		"control characters": func(s string) string { return strings.Join(strings.Split(s, ""), "\x01") },
		"zero-width spaces":  func(s string) string { return strings.Join(strings.Split(s, ""), "\u200b") },
		"line breaks":        func(s string) string { return s + "\n" + s },
	}
}

// told fails if a text gives away one of the canaries.
func told(t *testing.T, what, text string) {
	t.Helper()
	shown := strings.Map(func(r rune) rune {
		if r < ' ' || r == '\u200b' {
			return -1
		}
		return r
	}, text)
	if strings.Contains(shown, "canary") || strings.Contains(shown, "Y2FuYXJ5") || strings.Contains(shown, "jYW5hcn") || strings.Contains(shown, "2FuYXJ5") {
		t.Errorf("%s: a secret in %.400q", what, text)
	}
}

// everything is what an error says, to anybody who asks in any way.
func everything(err error) string { return fmt.Sprintf("%v\n%+v\n%#v\n%s", err, err, err, err) }

// echo answers with what the request carried, in disguise, in all the places that are read.
type echo struct {
	status   int
	disguise func(string) string
	shape    func(text string) string
}

func (e echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var b strings.Builder
	for _, text := range carried(r, string(body)) {
		b.WriteString(" " + e.disguise(text))
	}
	w.Header().Set("Location", "https://elsewhere.example/?"+r.URL.RawQuery+url.QueryEscape(string(body)))
	w.WriteHeader(e.status)
	_, _ = io.WriteString(w, e.shape(b.String()))
}

// carried is what a request carries, as it stands there and in plain words.
func carried(r *http.Request, body string) []string {
	out := []string{body, r.URL.RawQuery, r.Header.Get("Authorization")}
	if id, password, ok := r.BasicAuth(); ok {
		plain, _ := url.QueryUnescape(password)
		out = append(out, id+":"+password, plain)
	}
	form, _ := url.ParseQuery(body)
	for _, values := range []url.Values{form, r.URL.Query()} {
		for _, list := range values {
			out = append(out, list...)
		}
	}
	var object map[string]string
	if json.Unmarshal([]byte(body), &object) == nil {
		out = slices.AppendSeq(out, maps.Values(object))
	}
	return out
}

func members(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	out, _ := json.Marshal(m) // text always marshals
	return string(out)
}

func TestNoSecretIsRepeated(t *testing.T) {
	shapes := map[string]func(string) string{
		"code and description": func(s string) string { return members("error", s, "error_description", s) },
		"error object":         func(s string) string { return `{"error":` + members("code", s, "message", s) + `}` },
		"message":              func(s string) string { return members("errmsg", s, "errcode", s) },
		"form":                 func(s string) string { return url.Values{"error": {s}, "error_description": {s}}.Encode() },
		"type":                 func(s string) string { return members("access_token", "a-fresh-token", "token_type", s) },
		"expiry":               func(s string) string { return members("access_token", "a-fresh-token", "expires_in", s) },
		"token":                func(s string) string { return members("access_token", s, "expires_in", "x", "token_type", "odd") },
		"text":                 func(s string) string { return s },
	}
	turn := 0
	for disguised, disguise := range disguises() {
		for _, status := range []int{200, 302, 400} {
			for shaped, shape := range shapes {
				server := httptest.NewServer(echo{status, disguise, shape})
				clients := leakyClients(server.URL)
				turn++
				for name, call := range canaryCalls(t, clients[turn%len(clients)]) {
					told(t, fmt.Sprintf("%s, %s, %d, %s", name, disguised, status, shaped), call())
				}
				server.Close()
			}
		}
	}
}

// leakyClients send their secrets in each way there is.
func leakyClients(base string) []*oauth.Client {
	var out []*oauth.Client
	for _, r := range []oauth.Request{
		{},
		{AuthMethod: oauth.AuthClientSecretBasic},
		{AuthMethod: oauth.AuthClientSecretBasic, BasicEncoding: "raw"},
		{RequestContentType: oauth.ContentJSON},
		{Method: http.MethodGet},
	} {
		r.Endpoint = base
		d := definitionAt(base)
		d.TokenRequest, d.RefreshRequest, d.RevokeRequest, d.DeviceRequest = r, &r, &r, &r
		d.TokenIntrospectionRequest = &oauth.Introspection{Request: r}
		out = append(out, &oauth.Client{
			Definition: d, ID: "app", Secret: secret.New(canaries()["client_secret"]), State: secret.New(canaries()["state"]), RedirectURI: redirectURI,
		})
	}
	return out
}

// canaryCalls give all that is said by an error and by warnings.
func canaryCalls(t *testing.T, c *oauth.Client) map[string]func() string {
	is := func(name string) secret.String { return secret.New(canaries()[name]) }
	said := func(answer oauth.TokenResponse, err error) string {
		return everything(err) + strings.Join(answer.Warnings, "\n") + fmt.Sprintf("%v %+v %#v", answer.AccessToken, answer.RefreshToken, answer.IDToken)
	}
	return map[string]func() string{
		"exchange": func() string { return said(c.Exchange(t.Context(), is("code"), is("code_verifier"), nil)) },
		"refresh":  func() string { return said(c.Refresh(t.Context(), is("refresh_token"), is("access_token"), nil)) },
		"poll": func() string {
			return said(c.PollDevice(t.Context(), oauth.DeviceAuthorization{DeviceCode: is("device_code")}, nil))
		},
		"device": func() string {
			_, err := c.AuthorizeDevice(t.Context(), nil)
			return everything(err)
		},
		"introspect": func() string {
			_, err := c.Introspect(t.Context(), oauth.TokenResponse{AccessToken: is("access_token")})
			return everything(err)
		},
		"user info": func() string {
			_, err := c.UserInfo(t.Context(), is("access_token"))
			return everything(err)
		},
		"revoke": func() string { return everything(c.Revoke(t.Context(), is("refresh_token"), is("access_token"))) },
	}
}

// The provider knows the state of the flow although the exchange does not repeat it.
func TestStateOfTheFlowIsNotRepeated(t *testing.T) {
	d := newDesk(t, members("error", "invalid_request", "error_description", "wrong code for state-canary"))
	client := d.client()
	client.State = secret.New("state-canary")
	_, err := d.exchange(t, client)
	told(t, "exchange", everything(err))
}

// Under each fault of a provider, with the secrets of a real exchange.
func TestNoFaultMakesAnErrorTellSecrets(t *testing.T) {
	for name := range deviations() {
		for _, method := range []string{"", oauth.AuthClientSecretBasic} {
			p := newProvider(t, providertest.Config{})
			p.client.Definition.TokenRequest.AuthMethod = method
			code, verifier := p.consent("read")
			fault := providertest.Fault{Endpoint: providertest.Token, Name: name}
			p.server.Inject(fault)
			_, err := p.client.Exchange(t.Context(), code, verifier, nil)
			p.server.Heal()
			tellsNothing(t, name, err, p.client.Secret, code, verifier)

			code, verifier = p.consent("read")
			first, err := p.client.Exchange(t.Context(), code, verifier, nil)
			if err != nil {
				t.Fatal(err)
			}
			p.server.Inject(fault)
			_, err = p.client.Refresh(t.Context(), first.RefreshToken, first.AccessToken, nil)
			tellsNothing(t, name, err, p.client.Secret, first.RefreshToken, first.AccessToken)
		}
	}
}

func tellsNothing(t *testing.T, what string, err error, secrets ...secret.String) {
	t.Helper()
	if err == nil {
		return
	}
	for _, s := range secrets {
		for disguised, disguise := range disguises() {
			if form := disguise(s.Reveal()); strings.Contains(everything(err), form) {
				t.Errorf("%s: a secret (%s) in %v", what, disguised, err)
			}
		}
	}
}

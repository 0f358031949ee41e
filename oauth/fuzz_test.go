package oauth_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// canary is every secret of a client that answers are made up for.
const canary = "canary-1234"

// replying is a client whose requests are all answered so, without a network.
func replying(status int, body []byte) *oauth.Client {
	d := definitionAt("https://login.example.com")
	return &oauth.Client{Definition: d, ID: "app", Secret: secret.New(canary), Now: noon, HTTP: &http.Client{
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: req}, nil
		}),
	}}
}

// A token is whole and its expiry bounded; an error has a class and an advice, and fits on a line.
func FuzzTokenAnswer(f *testing.F) {
	for _, body := range []string{
		goodAnswer, `{}`, `[]`, `null`, ``, `{"access_token":"a","expires_in":1e400}`, `{"access_token":"a","expires_in":-1}`,
		`access_token=a&scope=b,c&expires_in=3600`, `{"ok":false,"error":"x"}`, `{"error":{"code":1,"message":"\u202e"}}`, "\xef\xbb\xbf{\"access_token\":\"a\"}",
		`{"data":[{"access_token":"a","scope":["b",["c"],{}]}]}`, `{"access_token":"a\r\n","refresh_token":"r"}`, `<html>`, `{"access_token":1,"token_type":"DPoP"}`,
		`{"error":"invalid_grant","error_description":"x ` + canary + ` Y2FuYXJ5LTEyMzQ= canary%2D1234"}`,
	} {
		f.Add(200, []byte(body), false)
		f.Add(400, []byte(body), true)
	}
	responses := responseMap(f, "{access_token: ['$.data[0].access_token', '$.access_token'], scope: \"join('$..scope', ' ')\", expires_in: \"jwt_decode('access_token', 'exp')\"}")
	f.Fuzz(func(t *testing.T, status int, body []byte, mapped bool) {
		if status < 200 || status > 599 {
			return
		}
		client := replying(status, body)
		if mapped {
			client.Definition.TokenRequest.ResponseMap = responses
		}
		answer, err := client.Exchange(t.Context(), secret.New(canary), secret.New(canary), []string{"b", "a"})
		if err != nil && !answer.RefreshToken.IsZero() {
			t.Error("a refresh token came with a failed exchange")
		}
		checkAnswer(t, answer, err)
		answer, err = client.Refresh(t.Context(), secret.New(canary), secret.New(canary), []string{"b", "a"})
		if err == nil && answer.RefreshToken.IsZero() {
			t.Error("the refresh token was lost")
		}
		checkAnswer(t, answer, err)
		if _, err := client.UserInfo(t.Context(), secret.New(canary)); err != nil {
			checkError(t, err)
		}
	})
}

func checkAnswer(t *testing.T, answer oauth.TokenResponse, err error) {
	t.Helper()
	if err != nil {
		checkError(t, err)
		if !answer.AccessToken.IsZero() {
			t.Error("an access token came with an error")
		}
		return
	}
	if answer.AccessToken.IsZero() || strings.ContainsFunc(answer.AccessToken.Reveal(), unicode.IsControl) {
		t.Error("the access token is empty or would break a header")
	}
	if at := answer.ExpiresAt; !at.IsZero() && (!at.After(noon()) || at.After(noon().Add(tenYears))) {
		t.Errorf("got the expiry %s", at)
	}
	if s := answer.Scopes; !slices.IsSorted(s) || len(slices.Compact(slices.Clone(s))) != len(s) || slices.Contains(s, "") || len(s) == 0 {
		t.Errorf("got the scopes %q", s)
	}
	checkText(t, strings.Join(answer.Warnings, "; "))
}

func checkError(t *testing.T, err error) {
	t.Helper()
	var e *oauth.Error
	if !errors.As(err, &e) || e.Class == "" || e.Advice == "" {
		t.Fatalf("got %#v, want a class and an advice", err)
	}
	checkText(t, err.Error())
}

func checkText(t *testing.T, text string) {
	t.Helper()
	if len(text) > 1000 || strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, canary) {
		t.Errorf("got the text %q", text)
	}
}

// Whatever a definition and a caller bring, the state stands once, as it was given, and values are
// not read as templates.
func FuzzDeviceAnswer(f *testing.F) {
	for _, body := range []string{
		`{"device_code":"d","user_code":"A","verification_uri":"https://login.example.com/","expires_in":900,"interval":5}`,
		`{"device_code":"d","user_code":"A","verification_url":"https://a@b/","verification_uri_complete":"https://b/?\u0007"}`,
		`{"device_code":1,"user_code":2,"verification_uri":"http://localhost","expires_in":-1,"interval":1e300}`,
		`device_code=d&user_code=A&verification_uri=https://b/`, `{"error":"slow_down"}`, `[]`, `null`, ``, `<html>`,
	} {
		f.Add(200, []byte(body))
		f.Add(400, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		client := replying(status, body)
		client.Definition.DeviceRequest = &oauth.Request{Endpoint: "https://login.example.com/device"}
		d, err := client.AuthorizeDevice(t.Context(), []string{"a"})
		if err != nil {
			checkError(t, err)
			return
		}
		if d.DeviceCode.IsZero() || d.UserCode != oauth.Clean(d.UserCode, 64) || d.Interval < time.Second || d.Interval > time.Hour {
			t.Errorf("got the code %q every %s", d.UserCode, d.Interval)
		}
		for _, uri := range []string{d.VerificationURI, d.VerificationURIComplete} {
			if u, err := url.Parse(uri); uri != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || strings.ContainsAny(uri, " \\\x07\n")) {
				t.Errorf("a person would open %q", uri)
			}
		}
		_, err = client.PollDevice(t.Context(), d, nil)
		if before := d.Interval; err != nil && d.Again(err, d.ExpiresAt.Add(-2*time.Hour)) == nil && d.Interval < before {
			t.Errorf("the interval became shorter: %s after %s", d.Interval, before)
		}
	})
}

func FuzzAuthorizeURL(f *testing.F) {
	f.Add("tenant=a", "{{scopes}} {{existing_scopes}}", "read write", "state")
	f.Add("state=x&state=y", "{{ client_id }}{{", "{{state}}", "a b+c%")
	f.Add("", "{{state}}", ",", "")
	f.Add("a;b", "}}{{}}", "\x00", "é")
	f.Fuzz(func(t *testing.T, query, template, scope, state string) {
		endpoint := "https://login.example.com/authorize?" + query
		if oauth.CheckEndpoint(endpoint, false) != nil {
			return
		}
		client := oauth.Client{ID: "{{state}}", RedirectURI: redirectURI, Definition: &oauth.Definition{
			AuthorizeRequest: oauth.Request{Endpoint: endpoint, Params: map[string]string{"x": template, "id": "{{client_id}}"}},
		}}
		to, err := client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New(state), Scopes: []string{scope}, Existing: []string{scope}})
		if err != nil {
			t.Fatalf("the endpoint was sound: %v", err)
		}
		u, err := url.Parse(to)
		if err != nil || strings.Contains(to, "+") || u.Host != "login.example.com" {
			t.Fatalf("got %s, %v", to, err)
		}
		got := u.Query()
		if strings.TrimSpace(state) != "" && !slices.Equal(got["state"], []string{state}) {
			t.Errorf("got the states %q, want %q once", got["state"], state)
		}
		if !slices.Equal(got["id"], []string{"{{state}}"}) {
			t.Errorf("got the id %q, want it as it is", got["id"])
		}
		if !strings.Contains(template, "{{") && strings.TrimSpace(template) != "" && !slices.Equal(got["x"], []string{template}) {
			t.Errorf("got %q, want the text %q as it is", got["x"], template)
		}
		if template == "{{scopes}} {{existing_scopes}}" && len(strings.Fields(got.Get("x"))) != len(slices.Compact(slices.Sorted(slices.Values(strings.Fields(got.Get("x")))))) {
			t.Errorf("got the scopes %q", got.Get("x"))
		}
	})
}

// A secret does not come out of what a provider says, however it is wrapped.
func FuzzEchoedSecret(f *testing.F) {
	f.Add("s3cret-canary", "the code ", " is wrong", uint8(0))
	f.Add("s3cret canary+é%41", "x%", "&amp;", uint8(3))
	f.Add(`a"\b/c`, `{"code":"`, `"}`, uint8(5))
	names := make([]string, 0, len(disguises()))
	for name := range disguises() {
		names = append(names, name)
	}
	slices.Sort(names)
	f.Fuzz(func(t *testing.T, text, before, after string, how uint8) {
		text = oauth.Clean(text, 200)
		letters := strings.Map(func(r rune) rune {
			if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
				return r
			}
			return -1
		}, text)
		if len(letters) < 8 || strings.Contains(text, "…") {
			return
		}
		if strings.Contains("textwithhelditrepeatsasecretoftherequestredacted", strings.ToLower(letters)) {
			return
		}
		// A blank keeps what stands around from changing what the encoding means.
		said := before + " " + disguises()[names[int(how)%len(names)]](text) + " " + after
		e := new(oauth.Definition).CallbackError("code", said, secret.New(text))
		plain, _ := url.QueryUnescape(e.Description)
		if strings.Contains(e.Description, text) || strings.Contains(plain, text) {
			t.Errorf("%q came out of %q: %q", text, said, e.Description)
		}
	})
}

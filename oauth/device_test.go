package oauth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/secret"
)

// newDeviceProvider is a provider whose person is asked, and a client of its device endpoint. Both
// clocks stand at noon until the server's is advanced.
func newDeviceProvider(t *testing.T, c providertest.Config) *provider {
	t.Helper()
	p := newProvider(t, c)
	p.server.Ask()
	p.client.Definition.DeviceRequest = &oauth.Request{Endpoint: p.server.URL + "/device_authorization"}
	return p
}

func (p *provider) device(scopes ...string) oauth.DeviceAuthorization {
	p.t.Helper()
	d, err := p.client.AuthorizeDevice(p.t.Context(), scopes)
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

// poll waits as the code wants it, and asks.
func (p *provider) poll(d *oauth.DeviceAuthorization) (oauth.TokenResponse, error) {
	p.server.Advance(d.Interval)
	return p.client.PollDevice(p.t.Context(), *d, []string{"read"})
}

func TestDeviceIsPolledUntilThePersonAgrees(t *testing.T) {
	for name, style := range map[string]string{"post": "", "basic": oauth.AuthClientSecretBasic} {
		t.Run(name, func(t *testing.T) {
			p := newDeviceProvider(t, providertest.Config{})
			p.client.Definition.TokenRequest.AuthMethod = style
			p.client.Definition.Scopes.Always = []string{"offline"}
			d := p.device("read")
			if d.Interval != 5*time.Second || !d.ExpiresAt.Equal(noon().Add(10*time.Minute)) || d.VerificationURI != p.server.URL+"/device" ||
				d.VerificationURIComplete != d.VerificationURI+"?user_code="+d.UserCode {
				t.Errorf("got %s until %s at %s", d.Interval, d.ExpiresAt, d.VerificationURI)
			}
			_, err := p.poll(&d)
			if !errors.Is(err, oauth.ErrPending) || d.Again(err, noon()) != nil || d.Interval != 5*time.Second {
				t.Fatalf("got %v and the interval %s, want to go on as before", err, d.Interval)
			}
			if err := p.server.DecideDevice(d.UserCode, "alice", true); err != nil {
				t.Fatal(err)
			}
			answer, err := p.poll(&d)
			if err != nil || answer.AccessToken.IsZero() || answer.RefreshToken.IsZero() || !slices.Equal(answer.Scopes, []string{"offline", "read"}) {
				t.Fatalf("got %q, %v; want both tokens", answer.Scopes, err)
			}
			if asked, _ := p.server.History().Last(providertest.Device); asked.Param("scope") != "read offline" || asked.Auth != "post" && style == "" || asked.Auth != "basic" && style != "" {
				t.Errorf("asked for %q, authenticated by %s", asked.Param("scope"), asked.Auth)
			}
			for _, r := range p.server.History().At(providertest.Token) {
				if r.Error == "slow_down" {
					t.Error("polled too early")
				}
			}
			_, err = p.poll(&d)
			wantClass(t, err, oauth.Reconsent, "start again for another one")
		})
	}
}

func wantClass(t *testing.T, err error, class oauth.Class, says string) {
	t.Helper()
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || e.Class != class || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want the class %s and %q", err, class, says)
	}
}

func TestPollsSlowDownAndEnd(t *testing.T) {
	fault := func(name string) func(*provider, *oauth.DeviceAuthorization) {
		return func(p *provider, _ *oauth.DeviceAuthorization) {
			p.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: name, Times: 1})
		}
	}
	for name, c := range map[string]struct {
		config   providertest.Config
		before   func(*provider, *oauth.DeviceAuthorization)
		class    oauth.Class // "": another poll follows
		says     string
		interval time.Duration
	}{
		"pending":                 {config: providertest.Config{}, interval: 5 * time.Second},
		"pending with 200":        {config: providertest.Config{PollStatus: http.StatusOK}, interval: 5 * time.Second},
		"pending with 428":        {config: providertest.Config{PollStatus: http.StatusPreconditionRequired}, interval: 5 * time.Second},
		"slow_down":               {before: fault("slow_down"), interval: 10 * time.Second},
		"unavailable":             {before: fault("unavailable"), interval: 10 * time.Second},
		"silent 429":              {before: fault("too_many_silent"), interval: 10 * time.Second},
		"no answer":               {before: fault("closed"), interval: 10 * time.Second},
		"broken JSON":             {before: func(p *provider, _ *oauth.DeviceAuthorization) { p.server.Approve(""); fault("truncated")(p, nil) }, interval: 10 * time.Second},
		"login wall":              {before: fault("html"), class: oauth.Misconfigured, says: "the answer is HTML"},
		"expired_token":           {before: fault("expired_token"), class: oauth.Reconsent, says: "start again for another one"},
		"authorization_declined":  {before: fault("device_denied"), class: oauth.UserChoice, says: "Access was declined"},
		"invalid_client":          {before: fault("invalid_client"), class: oauth.Misconfigured, says: "Check client_id"},
		"token that needs proofs": {before: func(p *provider, _ *oauth.DeviceAuthorization) { p.server.Approve(""); fault("type_dpop")(p, nil) }, class: oauth.Misconfigured, says: "not Bearer"},
		"access_denied": {
			config: providertest.Config{PollStatus: http.StatusOK}, class: oauth.UserChoice, says: "Access was declined",
			before: func(p *provider, d *oauth.DeviceAuthorization) { _ = p.server.DecideDevice(d.UserCode, "alice", false) },
		},
		"another's code": {
			before: func(_ *provider, d *oauth.DeviceAuthorization) { d.DeviceCode = secret.New("a-guess") }, class: oauth.Reconsent, says: "invalid_grant",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newDeviceProvider(t, c.config)
			d := p.device("read")
			if c.before != nil {
				c.before(p, &d)
			}
			answer, err := p.poll(&d)
			if err == nil || !answer.AccessToken.IsZero() {
				t.Fatalf("got a token, or no error: %v", err)
			}
			if strings.Contains(err.Error(), d.DeviceCode.Reveal()) || strings.Contains(err.Error(), p.client.Secret.Reveal()) {
				t.Error("the error tells a secret")
			}
			err = d.Again(err, noon())
			if c.class != "" {
				wantClass(t, err, c.class, c.says)
				return
			}
			if err != nil || d.Interval != c.interval {
				t.Errorf("got %v and the interval %s, want %s", err, d.Interval, c.interval)
			}
		})
	}
}

func TestPollsEndWithTheCode(t *testing.T) {
	d := oauth.DeviceAuthorization{Interval: 5 * time.Second, ExpiresAt: noon().Add(time.Minute)}
	pending := &oauth.Error{At: oauth.AtDeviceToken, Class: oauth.Transient, Err: oauth.ErrPending}
	if err := d.Again(pending, noon().Add(54*time.Second)); err != nil {
		t.Errorf("got %v, want one more poll in the last second", err)
	}
	wantClass(t, d.Again(pending, noon().Add(55*time.Second)), oauth.Reconsent, "nobody agreed before the code expired")
	away := &oauth.Error{At: oauth.AtDeviceToken, Class: oauth.Transient, Status: 503, RetryAfter: 50 * time.Minute}
	wantClass(t, d.Again(away, noon()), oauth.Reconsent, "could not be asked before the code expired")
	if other := errors.New("something else"); d.Again(other, noon()) != other {
		t.Error("want what is no answer to end it")
	}
}

func TestDeviceAnswerIsReadWithinBounds(t *testing.T) {
	const page = `"device_code":"the-device-code","user_code":"WDJB-MJHT","verification_uri":"https://login.example.com/device"`
	for name, c := range map[string]struct {
		answer string
		want   oauth.DeviceAuthorization // without the codes, where it differs from 5 s and 5 min
		says   string
	}{
		"bare":            {answer: `{` + page + `}`},
		"usual":           {answer: `{` + page + `,"expires_in":900,"interval":3}`, want: oauth.DeviceAuthorization{ExpiresAt: noon().Add(15 * time.Minute), Interval: 3 * time.Second}},
		"texts":           {answer: `{` + page + `,"expires_in":"900","interval":"3"}`, want: oauth.DeviceAuthorization{ExpiresAt: noon().Add(15 * time.Minute), Interval: 3 * time.Second}},
		"for ever":        {answer: `{` + page + `,"expires_in":1e9,"interval":0}`, want: oauth.DeviceAuthorization{ExpiresAt: noon().Add(time.Hour)}},
		"without a pause": {answer: `{` + page + `,"interval":0.001}`, want: oauth.DeviceAuthorization{Interval: time.Second}},
		"nonsense":        {answer: `{` + page + `,"expires_in":"soon","interval":-1}`},
		"complete":        {answer: `{` + page + `,"verification_uri_complete":"https://login.example.com/device?c=W"}`, want: oauth.DeviceAuthorization{VerificationURIComplete: "https://login.example.com/device?c=W"}},
		"complete, plain": {answer: `{` + page + `,"verification_uri_complete":"http://login.example.com/device?c=W"}`},
		"as at Google":    {answer: strings.ReplaceAll(`{`+page+`}`, "_uri", "_url")},
		"as a form":       {answer: "device_code=the-device-code&user_code=WDJB-MJHT&verification_uri=https%3A%2F%2Flogin.example.com%2Fdevice"},

		"no device code":   {answer: `{"user_code":"A","verification_uri":"https://login.example.com"}`, says: "no device_code"},
		"no user code":     {answer: `{"device_code":"d","verification_uri":"https://login.example.com"}`, says: "no user_code"},
		"long user code":   {answer: `{"device_code":"d","user_code":"` + strings.Repeat("A", 65) + `","verification_uri":"https://login.example.com"}`, says: "no user_code"},
		"cursor":           {answer: `{"device_code":"d","user_code":"\u001b[2J","verification_uri":"https://login.example.com"}`, says: "no user_code"},
		"no page":          {answer: `{"device_code":"d","user_code":"A"}`, says: "is not an absolute URL"},
		"plain page":       {answer: `{"device_code":"d","user_code":"A","verification_uri":"http://login.example.com"}`, says: "would send secrets in clear"},
		"script":           {answer: `{"device_code":"d","user_code":"A","verification_uri":"javascript:alert(1)"}`, says: "is not an absolute URL"},
		"other scheme":     {answer: `{"device_code":"d","user_code":"A","verification_uri":"ssh://login.example.com/"}`, says: "use https"},
		"page of somebody": {answer: `{"device_code":"d","user_code":"A","verification_uri":"https://login.example.com@evil.example/"}`, says: "user info"},
		"page of two":      {answer: `{"device_code":"d","user_code":"A","verification_uri":"https://evil.example\\@login.example.com/"}`, says: "characters"},
		"error":            {answer: `{"error":"device_flow_disabled","error_description":"Device Flow must be explicitly enabled for this App"}`, says: "Turn on the device flow"},
		"list":             {answer: `[]`, says: "no device_code"},
		"HTML":             {answer: `<html>`, says: "is HTML"},
	} {
		t.Run(name, func(t *testing.T) {
			client := deskClient(t, c.answer)
			got, err := client.AuthorizeDevice(t.Context(), nil)
			if c.says != "" {
				wantClass(t, err, oauth.Misconfigured, c.says)
				return
			}
			want := c.want
			want.DeviceCode, want.UserCode, want.VerificationURI = secret.New("the-device-code"), "WDJB-MJHT", "https://login.example.com/device"
			if want.Interval == 0 {
				want.Interval = 5 * time.Second
			}
			if want.ExpiresAt.IsZero() {
				want.ExpiresAt = noon().Add(5 * time.Minute)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(secret.String.Equal)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// deskClient is a client of a device endpoint that answers one thing. It is reached by TLS, so that
// plain http is not excused by it.
func deskClient(t *testing.T, answer string) *oauth.Client {
	t.Helper()
	server := httptest.NewTLSServer(&desk{Status: http.StatusOK, Answer: answer})
	t.Cleanup(server.Close)
	return &oauth.Client{Definition: &oauth.Definition{DeviceRequest: &oauth.Request{Endpoint: server.URL}}, ID: "app", HTTP: server.Client(), Now: noon}
}

func TestDeviceSectionIsChecked(t *testing.T) {
	p := newDeviceProvider(t, providertest.Config{})
	d := p.client.Definition
	found := func(r oauth.Request) string {
		d.DeviceRequest = &r
		var all []string
		for _, problem := range d.Problems(oauth.Options{}) {
			if !problem.Warning {
				all = append(all, strings.Join(problem.Path, ".")+": "+problem.Message)
			}
		}
		return strings.Join(all, "\n")
	}
	fine := oauth.Request{Endpoint: "https://login.example.com/device"}
	if got := found(fine); got != "" {
		t.Errorf("got %s", got)
	}
	for want, r := range map[string]oauth.Request{
		"device_authorization_request.endpoint: an endpoint is needed":           {},
		"device_authorization_request.method: RFC 8628":                          {Endpoint: fine.Endpoint, Method: "GET"},
		"device_authorization_request.auth_method: there is no access token":     {Endpoint: fine.Endpoint, AuthMethod: oauth.AuthBearerAccessToken},
		"device_authorization_request.params.scope: {{state}} is not known here": {Endpoint: fine.Endpoint, Params: map[string]string{"scope": "{{state}}"}},
		"device_authorization_request.endpoint: http to login.example.com would": {Endpoint: "http://login.example.com/device"},
	} {
		if got := found(r); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	over := d.Override(oauth.Definition{DeviceRequest: &oauth.Request{Endpoint: "{{server_url}}/device"}}).Install(oauth.Definition{ServerURL: "https://tools.example.com/tea"})
	if over.DeviceRequest.Endpoint != "https://tools.example.com/tea/device" {
		t.Errorf("got %q, want it filled in", over.DeviceRequest.Endpoint)
	}
	none := *p.client
	none.Definition = &oauth.Definition{}
	_, err := none.AuthorizeDevice(t.Context(), nil)
	wantClass(t, err, oauth.Misconfigured, "without device_authorization_request")
}

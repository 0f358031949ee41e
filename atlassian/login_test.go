package atlassian_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

func query(t *testing.T, raw string) url.Values {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestStartAtCloudAsksForEverythingInTheURLAndNobody(t *testing.T) {
	d := atCloud(t, func(c *atlassian.Config) { c.Scopes = atlassian.ModuleScopes(atlassian.Jira) })
	to, err := d.client.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := query(t, to)
	for name, want := range map[string]string{
		"audience": "api.atlassian.com", "client_id": d.config.ClientID, "redirect_uri": appCallback,
		"response_type": "code", "prompt": "consent", "code_challenge_method": "S256",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.Get(name), want)
		}
	}
	if !strings.HasPrefix(to, d.cloud.URL+"/authorize?") || strings.Contains(to, "+") || len(got.Get("state")) < 43 || len(got.Get("code_challenge")) != 43 {
		t.Errorf("got %s", to)
	}
	if calls := len(d.provider.History().All()); calls != 0 {
		t.Errorf("%d requests were made", calls)
	}
	again, err := d.client.Start(t.Context())
	if err != nil || query(t, again).Get("state") == got.Get("state") || query(t, again).Get("code_challenge") == got.Get("code_challenge") {
		t.Errorf("state or challenge came twice: %v", err)
	}
}

func TestStartAtDataCenterJoinsTheContextPathAndSendsNothingOfCloud(t *testing.T) {
	for _, product := range []atlassian.Product{atlassian.Jira, atlassian.Confluence} {
		d := atServer(t, product, nil)
		to, err := d.client.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := query(t, to)
		if !strings.HasPrefix(to, d.server.URL+"/rest/oauth2/latest/authorize?") || got.Get("scope") != "WRITE" || got.Has("audience") || got.Has("prompt") ||
			got.Get("state") == "" || got.Get("code_challenge_method") != "S256" {
			t.Errorf("%s: got %s", product, to)
		}
	}
}

func TestCallbackURLIsTakenWhole(t *testing.T) {
	for name, made := range map[string]func() *desk{
		"Cloud":                  func() *desk { return atCloud(t, nil) },
		"Jira Data Center":       func() *desk { return atServer(t, atlassian.Jira, nil) },
		"Confluence Data Center": func() *desk { return atServer(t, atlassian.Confluence, nil) },
	} {
		d := made()
		got, err := d.client.Complete(t.Context(), "  "+d.start().String()+"\n")
		if err != nil || !got.Connected || !got.Refreshes || len(got.Scopes) == 0 || got.ExpiresAt != d.clock.Now().Add(time.Hour) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
		if d.token() == "" || d.provider.History().Redeemed() != 1 {
			t.Errorf("%s: there is no token, or the code was redeemed %d times", name, d.provider.History().Redeemed())
		}
	}
}

func TestCodeAloneAndQueryAloneWillDo(t *testing.T) {
	for name, part := range map[string]func(*url.URL) string{
		"a code":                  func(u *url.URL) string { return u.Query().Get("code") },
		"a query":                 func(u *url.URL) string { return "?" + u.RawQuery },
		"parameters":              func(u *url.URL) string { return u.RawQuery },
		"without scheme":          func(u *url.URL) string { return strings.TrimPrefix(u.String(), "https://") },
		"with a fragment":         func(u *url.URL) string { return u.String() + "#_=_" },
		"with a slash at the end": func(u *url.URL) string { return strings.Replace(u.String(), "/done?", "/done/?", 1) },
	} {
		for _, d := range []*desk{atCloud(t, nil), atServer(t, atlassian.Jira, nil)} {
			if err := d.provider.Set("code_life", "5m"); err != nil {
				t.Fatal(err)
			}
			if _, err := d.client.Complete(t.Context(), part(d.start())); err != nil {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
}

func TestStateIsCheckedBeforeTheCodeIsUsed(t *testing.T) {
	d := atCloud(t, nil)
	back := d.start()
	changed := func(change func(url.Values)) string {
		u := *back
		q := u.Query()
		change(q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for _, c := range []struct {
		name, given string
		says        string
	}{
		{"another state", changed(func(q url.Values) { q.Set("state", "of-somebody-else") }), "not started here"},
		{"no state", changed(func(q url.Values) { q.Del("state") }), "has no state"},
		{"two codes", changed(func(q url.Values) { q.Add("code", "another") }), "code twice"},
		{"no code", changed(func(q url.Values) { q.Del("code") }), "neither a code nor an error"},
		{"the page before", "https://auth.atlassian.com/authorize?code=x&state=y", "this is not the callback URL but https://auth.atlassian.com/authorize"},
		{"nothing", " ", "no code"},
		{"words", "the code is abc", "neither a code nor a callback URL"},
		{"a file", "file:///etc/passwd", "this is not the callback URL"},
		{"another page of the app", strings.Replace(back.String(), "/done", "/other", 1), "this is not the callback URL but https://app.example.com/atlassian/other:"},
		{"much", strings.Repeat("x", 20<<10), "at most 16 KiB"},
	} {
		_, err := d.client.Complete(t.Context(), c.given)
		refused(t, c.name, err, keybearer.BadRequest, c.says)
		if code := back.Query().Get("code"); strings.Contains(err.Error(), code) || strings.Contains(err.Error(), back.Query().Get("state")) {
			t.Errorf("%s: the error repeats what was given: %v", c.name, err)
		}
	}
	if calls := d.provider.History().Calls(providertest.Token); calls != 0 {
		t.Fatalf("the token endpoint was asked %d times", calls)
	}
	if _, err := d.client.Complete(t.Context(), back.String()); err != nil {
		t.Fatalf("after all of that: %v", err)
	}
	_, err := d.client.Complete(t.Context(), back.String())
	refused(t, "once more", err, keybearer.BadRequest, "already finished")
	if got := d.provider.History().Redeemed(); got != 1 {
		t.Errorf("codes were redeemed %d times", got)
	}
}

func TestStateIsOfItsOwnSignIn(t *testing.T) {
	d := atServer(t, atlassian.Jira, nil)
	first, second := d.start(), d.start()
	mixed := *first
	q := mixed.Query()
	q.Set("code", second.Query().Get("code"))
	mixed.RawQuery = q.Encode()
	_, err := d.client.Complete(t.Context(), mixed.String())
	refused(t, "the code of another sign-in", err, keybearer.AuthorizationFailed) // its verifier does not fit
	if _, err := d.client.Complete(t.Context(), d.start().String()); err != nil {
		t.Errorf("a new one: %v", err)
	}
}

func TestSignInThatTakesTooLongEnds(t *testing.T) {
	d := atCloud(t, func(c *atlassian.Config) { c.LoginLife = 10 * time.Minute })
	back := d.start()
	d.clock.Advance(10 * time.Minute)
	_, err := d.client.Complete(t.Context(), back.String())
	refused(t, "the URL", err, keybearer.AuthorizationEnded, "in time")
	_, err = d.client.Complete(t.Context(), back.Query().Get("code"))
	refused(t, "the code", err, keybearer.BadRequest, "no sign-in waits")
}

func TestSecondSignInHasItsWholeTime(t *testing.T) {
	d := atCloud(t, nil)
	d.start()
	d.clock.Advance(59 * time.Minute)
	back := d.start()
	d.clock.Advance(4 * time.Minute)
	if _, err := d.client.Complete(t.Context(), back.String()); err != nil {
		t.Error(err)
	}
}

func TestDeclinedConsentIsTheUsersChoice(t *testing.T) {
	for name, d := range map[string]*desk{"Cloud": atCloud(t, nil), "Data Center": atServer(t, atlassian.Jira, nil)} {
		d.provider.Decline()
		back := d.start()
		_, err := d.client.Complete(t.Context(), back.String())
		refused(t, name, err, keybearer.AuthorizationFailed, "declined")
		if wire, ok := errors.AsType[*oauth.Error](err); !ok || wire.Class != oauth.UserChoice {
			t.Errorf("%s: got %v, want the user's choice", name, err)
		}
		_, err = d.client.Complete(t.Context(), back.String())
		refused(t, name+", once more", err, keybearer.BadRequest, "already finished")
		if status, err := d.client.Status(t.Context()); err != nil || status.Connected {
			t.Errorf("%s: got %+v, %v", name, status, err)
		}
	}
}

func TestRefusedCodesAreExplained(t *testing.T) {
	cloud, server := atCloud(t, nil), atServer(t, atlassian.Jira, nil)
	back := cloud.start()
	cloud.clock.Advance(20 * time.Minute)
	_, err := cloud.client.Complete(t.Context(), back.String())
	refused(t, "late at Cloud", err, keybearer.AuthorizationFailed, "400", "too old")

	back = server.start()
	server.clock.Advance(10 * time.Second)
	_, err = server.client.Complete(t.Context(), back.Query().Get("code"))
	refused(t, "late at Data Center", err, keybearer.AuthorizationFailed, "lives for 10 seconds")

	for name, d := range map[string]*desk{
		"Cloud":       atCloud(t, func(c *atlassian.Config) { c.ClientSecret = cloud.config.ClientSecret }),
		"Data Center": atServer(t, atlassian.Jira, func(c *atlassian.Config) { c.ClientSecret = cloud.config.ClientSecret }),
	} {
		_, err = d.client.Complete(t.Context(), d.start().String())
		refused(t, "a wrong secret at "+name, err, keybearer.ProviderRefused, "401", "copy ClientID and ClientSecret again")
		if wire, ok := errors.AsType[*oauth.Error](err); !ok || wire.Status != 401 {
			t.Errorf("%s: got %v, want the status", name, err)
		}
	}
	for fault, kind := range map[string]keybearer.Kind{
		"server_error": keybearer.ProviderAway, "html_error": keybearer.ProviderAway, "closed": keybearer.ProviderAway,
		"truncated": keybearer.ProviderAway, "html": keybearer.ProviderRefused, "no_access_token": keybearer.ProviderRefused,
	} {
		d := atCloud(t, nil)
		back := d.start()
		d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault})
		_, err := d.client.Complete(t.Context(), back.String())
		refused(t, fault, err, kind)
		if status, err := d.client.Status(t.Context()); err != nil || status.Connected {
			t.Errorf("%s: got %+v, %v; want nothing stored", fault, status, err)
		}
	}
}

// The two steps may be done by two programs, as commands of an integration are.
func TestSignInIsCompletedByAnotherProcess(t *testing.T) {
	for name, d := range map[string]*desk{"Cloud": atCloud(t, nil), "Data Center": atServer(t, atlassian.Confluence, nil)} {
		back := d.start()
		if _, err := d.another().Complete(t.Context(), back.String()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := d.client.Complete(t.Context(), back.String())
		refused(t, name+", here, too", err, keybearer.BadRequest, "already finished")
		if d.token() == "" {
			t.Errorf("%s: there is no token here", name)
		}
	}
}

func TestNewSignInReplacesTheTokenInUse(t *testing.T) {
	d := atCloud(t, nil).connect()
	before := d.token()
	if d.connect(); d.token() == before {
		t.Error("the former token is still in use")
	}
}

func TestOpenSignInsAreBounded(t *testing.T) {
	d := atCloud(t, nil)
	first := d.start()
	for range 25 {
		if _, err := d.client.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.client.Complete(t.Context(), first.String())
	refused(t, "the first of many", err, keybearer.BadRequest, "state is unknown")
}

func TestScopesAreAskedForAsConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		scopes, want []string
	}{
		"none":         {nil, []string{"offline_access", "read:jira-user", "read:jira-work"}},
		"some":         {[]string{"write:jira-work"}, []string{"offline_access", "write:jira-work"}},
		"the module's": {atlassian.ModuleScopes(atlassian.Jira), atlassian.ModuleScopes(atlassian.Jira)},
	} {
		d := atCloud(t, func(cfg *atlassian.Config) { cfg.Scopes = c.scopes })
		to, err := d.client.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Fields(query(t, to).Get("scope")); !slices.Equal(slices.Sorted(slices.Values(got)), c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// Whatever is pasted where no sign-in waits is refused, and not repeated.
func FuzzComplete(f *testing.F) {
	for _, seed := range []string{
		"a-code", appCallback + "?code=a&state=b", "?error=access_denied&state=b", "code=a&code=b", "https://[::1/?code=a", "%zz://?state=%zz", "\x1b[2J",
	} {
		f.Add(seed)
	}
	c, err := atlassian.New(cloudConfig())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, given string) {
		_, err := c.Complete(t.Context(), given)
		if keybearer.KindOf(err) != keybearer.BadRequest {
			t.Fatalf("got %v", err)
		}
		if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) || len(err.Error()) > 2048 {
			t.Errorf("not fit to be shown: %q", err)
		}
	})
}

package atlassiantest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// linked is a client of a Data Center product by plain requests.
type linked struct {
	*client // for its requests only
	dc      *atlassiantest.RunningDataCenter
	link    atlassiantest.Link
}

func newLinked(t *testing.T, c atlassiantest.DataCenterConfig) *linked {
	t.Helper()
	if len(c.Links) == 0 {
		link := atlassiantest.DefaultLink()
		link.Redirects = []string{callback}
		c.Links = []atlassiantest.Link{link}
	}
	dc := atlassiantest.StartDataCenter(t, c)
	jar, _ := cookiejar.New(nil)
	dc.Approve("")
	return &linked{&client{t: t, http: &http.Client{
		Jar: jar, Transport: dc.Client.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, dc, dc.Links()[0]}
}

// ask is a correct authorization request, but for what change says.
func (l *linked) ask(change url.Values) reply {
	l.t.Helper()
	q := url.Values{
		"client_id": {l.link.ID}, "redirect_uri": {callback}, "response_type": {"code"},
		"scope": {"WRITE"}, "state": {"the-state"}, "code_challenge": {verifier}, "code_challenge_method": {"plain"},
	}
	for name, values := range change {
		q[name] = values
	}
	return l.get(l.dc.URL+"/rest/oauth2/latest/authorize?"+q.Encode(), "")
}

func (l *linked) code() string {
	l.t.Helper()
	r := l.ask(nil)
	if r.location == nil || r.location.Query().Get("state") != "the-state" {
		l.t.Fatalf("authorize: got %d to %v, want a redirect with the state", r.status, r.location)
	}
	return r.location.Query().Get("code")
}

func (l *linked) form(more url.Values) url.Values {
	form := url.Values{"client_id": {l.link.ID}, "client_secret": {l.link.Secret}}
	for name, values := range more {
		form[name] = values
	}
	return form
}

func (l *linked) redeemForm(code string) url.Values {
	return l.form(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}})
}

func (l *linked) refreshForm(token string) url.Values {
	return l.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "redirect_uri": {callback}})
}

type dcTokens struct {
	tokens
	CreatedAt int64 `json:"created_at"`
}

func (l *linked) post(form url.Values) dcTokens {
	l.t.Helper()
	r := l.postForm(l.dc.URL+"/rest/oauth2/latest/token", form)
	var out dcTokens
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		l.t.Fatalf("token answer %d %q: %v", r.status, r.body, err)
	}
	out.Status = r.status
	return out
}

func (l *linked) login() dcTokens {
	l.t.Helper()
	got := l.post(l.redeemForm(l.code()))
	if got.Status != http.StatusOK {
		l.t.Fatalf("exchange: got %d %s, want 200", got.Status, got.Error)
	}
	return got
}

func TestDataCenterPersonClicksThrough(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{ContextPath: "/jira"})
	l.dc.Ask()
	host := strings.TrimSuffix(l.dc.URL, "/jira")
	login := l.get(host+l.ask(nil).location.String(), "")
	tx := regexp.MustCompile(`name="tx" value="([^"]+)"`).FindStringSubmatch(login.body)
	if tx == nil || !strings.Contains(login.body, `action="/jira/login.jsp"`) {
		t.Fatalf("the login page has no form of its context path: %d", login.status)
	}
	signed := l.postForm(l.dc.URL+"/login.jsp", url.Values{"tx": {tx[1]}, "account": {"bob"}})
	page := l.get(host+signed.location.String(), "")
	token := regexp.MustCompile(`name="atl_token" value="([^"]+)"`).FindStringSubmatch(page.body)
	if token == nil || !strings.Contains(page.body, "WRITE") || !strings.HasPrefix(signed.location.Path, "/jira/plugins/servlet/oauth2/consent") {
		t.Fatalf("the consent page %v shows no scope or token", signed.location)
	}
	form := url.Values{"tx": {tx[1]}, "decision": {"accept"}, "atl_token": {"another"}}
	consent := l.dc.URL + "/plugins/servlet/oauth2/consent"
	if r := l.postForm(consent, form); r.status != http.StatusForbidden {
		t.Errorf("a forged form: got %d, want 403", r.status)
	}
	form.Set("atl_token", token[1])
	stranger := &client{t: t, http: &http.Client{}}
	if r := stranger.postForm(consent, form); r.status != http.StatusForbidden {
		t.Errorf("the form without its cookie: got %d, want 403", r.status)
	}
	back := l.postForm(consent, form)
	if back.location == nil || back.location.Query().Get("state") != "the-state" {
		t.Fatalf("consent: got %d to %v, want a redirect with the state", back.status, back.location)
	}
	got := l.post(l.redeemForm(back.location.Query().Get("code")))
	if got.Status != http.StatusOK || got.ExpiresIn != 3600 || got.CreatedAt == 0 || got.TokenType != "bearer" || got.Scope != "" || got.RefreshToken == "" {
		t.Errorf("exchange: got %+v", got)
	}
	if r := l.get(l.dc.URL+"/rest/api/2/myself", got.AccessToken); r.status != http.StatusOK || r.header.Get("X-AUSERNAME") != "bob" || !strings.Contains(r.body, `"key":"JIRAUSER`) {
		t.Errorf("myself: got %d %s as %s", r.status, r.body, r.header.Get("X-AUSERNAME"))
	}
	if r := l.get(host+"/rest/api/2/serverInfo", ""); r.status != http.StatusNotFound {
		t.Errorf("outside the context path: got %d, want 404", r.status)
	}
}

func TestDataCenterRefusalsOfAuthorize(t *testing.T) {
	for name, c := range map[string]struct {
		switches map[string]string
		change   url.Values
		back     string // error that comes back; empty: a page
	}{
		"unknown client":            {change: url.Values{"client_id": {"another"}}},
		"another redirect":          {change: url.Values{"redirect_uri": {callback + "/"}}},
		"redirect without HTTPS":    {switches: map[string]string{"redirect_https": "on"}},
		"parameter twice":           {change: url.Values{"scope": {"READ", "WRITE"}}},
		"scope of Cloud":            {change: url.Values{"scope": {"read:jira-work"}}, back: "invalid_scope"},
		"scope above the link":      {change: url.Values{"scope": {"SYSTEM_ADMIN"}}, back: "invalid_scope"},
		"scope refused on a page":   {switches: map[string]string{"scope_refusal": "page"}, change: url.Values{"scope": {"read:jira-work"}}},
		"no scope":                  {change: url.Values{"scope": {""}}, back: "invalid_scope"},
		"implicit grant":            {change: url.Values{"response_type": {"token"}}, back: "unsupported_response_type"},
		"lower-case s256 challenge": {change: url.Values{"code_challenge_method": {"s256"}}, back: "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			link := atlassiantest.DefaultLink()
			link.Redirects, link.Scope = []string{callback}, "ADMIN"
			l := newLinked(t, atlassiantest.DataCenterConfig{Links: []atlassiantest.Link{link}})
			for name, value := range c.switches {
				if err := l.dc.Set(name, value); err != nil {
					t.Fatal(err)
				}
			}
			r := l.ask(c.change)
			if c.back == "" {
				if r.location != nil || r.status != http.StatusBadRequest {
					t.Errorf("got %d to %v, want a page", r.status, r.location)
				}
				return
			}
			if r.location == nil || r.location.Query().Get("error") != c.back || r.location.Query().Get("state") != "the-state" {
				t.Errorf("got %d to %v, want %s with the state", r.status, r.location, c.back)
			}
		})
	}
}

func TestDataCenterCodeLivesTenSeconds(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{})
	early, late := l.code(), l.code()
	l.dc.Advance(9 * time.Second)
	if got := l.post(l.redeemForm(early)); got.Status != http.StatusOK {
		t.Errorf("after 9 s: got %d %s, want 200", got.Status, got.Error)
	}
	l.dc.Advance(time.Second)
	if got := l.post(l.redeemForm(late)); got.Status != http.StatusBadRequest || got.Error != "invalid_grant" {
		t.Errorf("after 10 s: got %d %s, want 400 invalid_grant", got.Status, got.Error)
	}
	if got := l.post(l.redeemForm(early)); got.Error != "invalid_grant" {
		t.Errorf("a used code: got %d %s, want invalid_grant", got.Status, got.Error)
	}
	form := l.redeemForm(l.code())
	form.Set("code_verifier", "another-verifier-0123456789-0123456789-0123")
	if got := l.post(form); got.Error != "invalid_grant" {
		t.Errorf("another verifier: got %d %s, want invalid_grant", got.Status, got.Error)
	}
}

func TestDataCenterTokenEndpointReadsFormAndQueryOnly(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{})
	endpoint := l.dc.URL + "/rest/oauth2/latest/token"
	req, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(`{"grant_type":"authorization_code"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if r := l.do(req); r.status != http.StatusInternalServerError || !strings.Contains(r.body, "FormParam") {
		t.Errorf("JSON: got %d %s, want 500 that speaks of form parameters", r.status, r.body)
	}
	if r := l.postForm(endpoint+"?"+l.redeemForm(l.code()).Encode(), nil); r.status != http.StatusOK {
		t.Errorf("everything in the URL: got %d %s, want 200", r.status, r.body)
	}
	if last, _ := l.dc.History().Last(providertest.Token); last.Grant != "authorization_code" || last.Client != l.link.ID {
		t.Errorf("its record: got grant %q of %q", last.Grant, last.Client)
	}
	if r := l.postForm(endpoint+"?grant_type=refresh_token", l.redeemForm(l.code())); r.status != http.StatusBadRequest {
		t.Errorf("a parameter in both: got %d, want 400", r.status)
	}
	basic := l.redeemForm(l.code())
	basic.Del("client_secret")
	req, err = http.NewRequest(http.MethodPost, endpoint, strings.NewReader(basic.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(l.link.ID, l.link.Secret)
	if r := l.do(req); r.status != http.StatusUnauthorized || !strings.Contains(r.body, "invalid_client") {
		t.Errorf("credentials by Basic: got %d %s, want 401 invalid_client", r.status, r.body)
	}
	if err := l.dc.Set("secret_rotated", "on"); err != nil {
		t.Fatal(err)
	}
	if got := l.post(l.redeemForm(l.code())); got.Status != http.StatusUnauthorized || got.Error != "invalid_client" {
		t.Errorf("rotated secret: got %d %s, want 401 invalid_client", got.Status, got.Error)
	}
}

func TestDataCenterRefreshKillsBothOldTokens(t *testing.T) {
	for _, reuse := range []string{"refused", "kills"} {
		l := newLinked(t, atlassiantest.DataCenterConfig{Reuse: reuse})
		myself := func(token string) int { return l.get(l.dc.URL+"/rest/api/2/myself", token).status }
		first := l.login()
		second := l.post(l.refreshForm(first.RefreshToken))
		if second.Status != http.StatusOK || second.RefreshToken == first.RefreshToken {
			t.Fatalf("refresh: got %d %s", second.Status, second.Error)
		}
		if got := myself(first.AccessToken); got != http.StatusUnauthorized {
			t.Errorf("the old access token: got %d, want 401", got)
		}
		if got := myself(second.AccessToken); got != http.StatusOK {
			t.Errorf("the new access token: got %d, want 200", got)
		}
		if got := l.post(l.refreshForm(first.RefreshToken)); got.Status != http.StatusBadRequest || got.Error != "invalid_grant" {
			t.Errorf("the old refresh token: got %d %s, want 400 invalid_grant", got.Status, got.Error)
		}
		want := map[string]int{"refused": http.StatusOK, "kills": http.StatusUnauthorized}[reuse]
		if got := myself(second.AccessToken); got != want {
			t.Errorf("reuse %s: the new access token got %d, want %d", reuse, got, want)
		}
		want = map[string]int{"refused": http.StatusOK, "kills": http.StatusBadRequest}[reuse]
		if got := l.post(l.refreshForm(second.RefreshToken)); got.Status != want {
			t.Errorf("reuse %s: the new refresh token got %d, want %d", reuse, got.Status, want)
		}
		if got := l.dc.History().Reuses(); got != 1 {
			t.Errorf("reuses in the history: got %d, want 1", got)
		}
	}
}

func TestDataCenterRedirectOnRefresh(t *testing.T) {
	for rule, want := range map[string][3]bool{ // right, missing, wrong
		"checked": {true, true, false}, "required": {true, false, false}, "ignored": {true, true, true},
	} {
		l := newLinked(t, atlassiantest.DataCenterConfig{RefreshRedirect: rule})
		for i, redirect := range []string{callback, "", callback + "/"} {
			form := l.refreshForm(l.login().RefreshToken)
			form.Set("redirect_uri", redirect)
			if redirect == "" {
				form.Del("redirect_uri")
			}
			got := l.post(form)
			if (got.Status == http.StatusOK) != want[i] || !want[i] && (got.Error != "invalid_grant" || got.Description != "") {
				t.Errorf("%s, redirect %q: got %d %s %q, want success %t or a bare invalid_grant", rule, redirect, got.Status, got.Error, got.Description, want[i])
			}
		}
	}
}

func TestDataCenterThatHasNoProvider(t *testing.T) {
	for name, value := range map[string]string{"version": "8.21.1", "base_https": "on"} {
		l := newLinked(t, atlassiantest.DataCenterConfig{})
		if err := l.dc.Set(name, value); err != nil {
			t.Fatal(err)
		}
		if r := l.ask(nil); r.status != http.StatusNotFound {
			t.Errorf("%s: authorize got %d, want 404", name, r.status)
		}
		if r := l.postForm(l.dc.URL+"/rest/oauth2/latest/token", l.form(nil)); r.status != http.StatusNotFound {
			t.Errorf("%s: token got %d, want 404", name, r.status)
		}
		if r := l.get(l.dc.URL+"/rest/api/2/serverInfo", ""); r.status != http.StatusOK || !strings.Contains(r.body, `"deploymentType":"Server"`) {
			t.Errorf("%s: serverInfo got %d %s, want 200", name, r.status, r.body)
		}
	}
	dc := atlassiantest.StartDataCenterTLS(t, atlassiantest.DataCenterConfig{BaseHTTPS: true})
	res, err := dc.Client.Get(dc.URL + "/rest/oauth2/latest/authorize")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("over HTTPS: got %d, want 400 for the missing client", res.StatusCode)
	}
}

func TestDataCenterScopesAndPermissions(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{})
	audit, search := l.dc.URL+"/rest/auditing/1.0/events", l.dc.URL+"/rest/api/2/search"
	for _, c := range []struct {
		user, scope    string
		create, events int
	}{
		{"alice", "READ", 403, 403},
		{"alice", "WRITE", 201, 403},
		{"alice", "ADMIN", 201, 200},
		{"alice", "READ SYSTEM_ADMIN", 201, 200},
		{"bob", "SYSTEM_ADMIN", 201, 403},
		{"carol", "SYSTEM_ADMIN", 403, 403},
	} {
		l.dc.Approve(c.user)
		code := l.ask(url.Values{"scope": {c.scope}}).location.Query().Get("code")
		token := l.post(l.redeemForm(code)).AccessToken
		req, err := http.NewRequest(http.MethodPost, l.dc.URL+"/rest/api/2/issue", strings.NewReader(`{"fields":{"summary":"Buy cups","project":{"key":"TEA"}}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		if r := l.do(req); r.status != c.create {
			t.Errorf("%s with %s creates an issue: got %d %s, want %d", c.user, c.scope, r.status, r.body, c.create)
		}
		if r := l.get(audit, token); r.status != c.events {
			t.Errorf("%s with %s reads the audit: got %d, want %d", c.user, c.scope, r.status, c.events)
		}
		if r := l.get(search, token); r.status != http.StatusOK || !strings.Contains(r.body, "TEA-1") {
			t.Errorf("%s with %s searches: got %d %.80s", c.user, c.scope, r.status, r.body)
		}
	}
}

func TestDataCenterTakesBadCredentialsForNobody(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{})
	search := l.get(l.dc.URL+"/rest/api/2/search", "guess")
	if search.status != http.StatusOK || strings.Contains(search.body, "TEA-1") || !strings.Contains(search.body, "GARDEN-1") {
		t.Errorf("search: got %d %s, want the public issue only", search.status, search.body)
	}
	if who, why := search.header.Get("X-AUSERNAME"), search.header.Get("X-Seraph-LoginReason"); who != "anonymous" || why != "AUTHENTICATED_FAILED" {
		t.Errorf("search: got %q for %q, want anonymous for AUTHENTICATED_FAILED", who, why)
	}
	if r := l.get(l.dc.URL+"/rest/api/2/myself", "guess"); r.status != http.StatusUnauthorized || !strings.Contains(r.body, "Login Required") {
		t.Errorf("myself: got %d %s, want 401", r.status, r.body)
	}
	for rule, want := range map[string]int{"login": http.StatusFound, "page": http.StatusOK} {
		if err := l.dc.Set("anonymous", rule); err != nil {
			t.Fatal(err)
		}
		r := l.get(l.dc.URL+"/rest/api/2/myself", "guess")
		if r.status != want || rule == "login" && !strings.HasPrefix(r.location.Path, "/login.jsp") || rule == "page" && !strings.Contains(r.header.Get("Content-Type"), "html") {
			t.Errorf("%s: got %d to %v, want %d", rule, r.status, r.location, want)
		}
	}
}

func TestDataCenterPATsAndPasswords(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{})
	myself := l.dc.URL + "/rest/api/2/myself"
	pat, err := l.dc.IssuePAT("carol", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if r := l.get(myself, pat); r.status != http.StatusOK || r.header.Get("X-AUSERNAME") != "carol" {
		t.Errorf("PAT: got %d as %s, want carol", r.status, r.header.Get("X-AUSERNAME"))
	}
	if err := l.dc.Set("version", "8.13.0"); err != nil {
		t.Fatal(err)
	}
	if r := l.get(myself, pat); r.status != http.StatusUnauthorized {
		t.Errorf("PAT before 8.14: got %d, want 401", r.status)
	}
	if err := l.dc.Set("version", "10.3.2"); err != nil {
		t.Fatal(err)
	}
	l.dc.Advance(24 * time.Hour)
	if r := l.get(myself, pat); r.status != http.StatusUnauthorized {
		t.Errorf("expired PAT: got %d, want 401", r.status)
	}
	basic := func(password string) reply {
		req, err := http.NewRequest(http.MethodGet, myself, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("bob", password)
		return l.do(req)
	}
	if r := basic("bob"); r.status != http.StatusOK {
		t.Errorf("password: got %d, want 200", r.status)
	}
	if r := basic("guess"); r.status != http.StatusUnauthorized || r.header.Get("X-Seraph-LoginReason") != "AUTHENTICATED_FAILED" {
		t.Errorf("wrong password: got %d, want 401", r.status)
	}
	if err := l.dc.Set("no_basic", "on"); err != nil {
		t.Fatal(err)
	}
	if r := basic("bob"); r.status != http.StatusForbidden {
		t.Errorf("password at a site with single sign-on: got %d, want 403", r.status)
	}
}

func TestDataCenterServiceAccount(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{})
	form := l.form(url.Values{"grant_type": {"client_credentials"}, "scope": {"READ"}})
	if got := l.post(form); got.Error != "unsupported_grant_type" {
		t.Errorf("older version: got %d %s, want unsupported_grant_type", got.Status, got.Error)
	}
	if err := l.dc.Set("client_credentials", "on"); err != nil {
		t.Fatal(err)
	}
	got := l.post(form)
	if got.Status != http.StatusOK || got.RefreshToken != "" {
		t.Errorf("got %d %s, refresh token %t; want 200 without one", got.Status, got.Error, got.RefreshToken != "")
	}
	if r := l.get(l.dc.URL+"/rest/api/2/myself", got.AccessToken); r.header.Get("X-AUSERNAME") != "alice" {
		t.Errorf("acts as %q, want alice", r.header.Get("X-AUSERNAME"))
	}
	form.Set("scope", "everything")
	if got := l.post(form); got.Error != "invalid_scope" {
		t.Errorf("unknown scope: got %d %s, want invalid_scope", got.Status, got.Error)
	}
}

func TestDataCenterRateLimit(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{Limited: true})
	r := l.get(l.dc.URL+"/rest/api/2/myself", "")
	var got []string
	for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-FillRate", "X-RateLimit-Interval-Seconds", "Retry-After"} {
		got = append(got, r.header.Get(name))
	}
	if want := []string{"10", "0", "2", "5", "5"}; r.status != http.StatusTooManyRequests || !slices.Equal(got, want) {
		t.Errorf("got %d with %v, want 429 with %v", r.status, got, want)
	}
}

func TestDataCenterConfluence(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{Product: atlassiantest.Confluence, ContextPath: "/confluence"})
	token := l.login().AccessToken
	for path, want := range map[string]string{
		"/rest/api/user/current": `"username":"alice"`, "/rest/api/content": "How to pour", "/rest/api/content/98310": "Welcome",
		"/rest/api/search?cql=type%3Dpage": "Cleaning", "/rest/applinks/latest/manifest": "<typeId>confluence</typeId>",
	} {
		if r := l.get(l.dc.URL+path, token); r.status != http.StatusOK || !strings.Contains(r.body, want) {
			t.Errorf("%s: got %d %s, want %s", path, r.status, r.body, want)
		}
	}
	if r := l.get(l.dc.URL+"/rest/api/user/current", "guess"); r.status != http.StatusOK || !strings.Contains(r.body, `"type":"anonymous"`) {
		t.Errorf("nobody's profile: got %d %s, want 200 anonymous", r.status, r.body)
	}
	if err := l.dc.Set("version", "7.16.0"); err != nil {
		t.Fatal(err)
	}
	if r := l.ask(nil); r.status != http.StatusNotFound {
		t.Errorf("before 7.17: got %d, want 404", r.status)
	}
}

func TestDataCenterRevocationAndDecline(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{})
	got := l.login()
	if !l.dc.RevokeGrant(l.link.ID, "alice") || l.dc.RevokeGrant(l.link.ID, "bob") {
		t.Error("revoking: want alice's grant there and none of bob")
	}
	if r := l.get(l.dc.URL+"/rest/api/2/myself", got.AccessToken); r.status != http.StatusUnauthorized {
		t.Errorf("revoked: got %d, want 401", r.status)
	}
	if dead := l.post(l.refreshForm(got.RefreshToken)); dead.Error != "invalid_grant" {
		t.Errorf("revoked: refresh got %d %s, want invalid_grant", dead.Status, dead.Error)
	}
	l.dc.Decline()
	if r := l.ask(nil); r.location == nil || r.location.Query().Get("error") != "access_denied" {
		t.Errorf("declined: got %d to %v, want access_denied", r.status, r.location)
	}
}

func TestDataCenterHistoryHasNoSecret(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{})
	code := l.code()
	r := l.postForm(l.dc.URL+"/rest/oauth2/latest/token?"+l.redeemForm(code).Encode(), nil)
	var got dcTokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		t.Fatal(err)
	}
	history, err := json.Marshal(l.dc.History().All())
	if err != nil {
		t.Fatal(err)
	}
	manual := l.dc.Manual("http://127.0.0.1:9199", "http://127.0.0.1:9198")
	for what, secret := range map[string]string{"secret": l.link.Secret, "code": code, "verifier": verifier, "access token": got.AccessToken, "refresh token": got.RefreshToken} {
		if strings.Contains(string(history), secret) || strings.Contains(manual, secret) {
			t.Errorf("the history or the manual contains the %s", what)
		}
	}
}

func TestDataCenterControl(t *testing.T) {
	l := newLinked(t, atlassiantest.DataCenterConfig{})
	control := startControl(t, l.dc.Control())
	call := func(method, path, body string, want int) string {
		t.Helper()
		req, err := http.NewRequest(method, control+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != want {
			t.Errorf("%s %s: got %d %s (%v), want %d", method, path, res.StatusCode, got, err, want)
		}
		return string(got)
	}
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(call("POST", "/control/pat", `{"user":"bob"}`, 200)), &made); err != nil {
		t.Fatal(err)
	}
	if r := l.get(l.dc.URL+"/rest/api/2/myself", made.Token); r.status != http.StatusOK {
		t.Errorf("a PAT from the control API: got %d, want 200", r.status)
	}
	call("POST", "/control/pat", `{"user":"nobody"}`, 400)
	token := l.login().AccessToken
	call("POST", "/control/drop-access", "", 200)
	if r := l.get(l.dc.URL+"/rest/api/2/myself", token); r.status != http.StatusUnauthorized {
		t.Errorf("dropped: got %d, want 401", r.status)
	}
	call("POST", "/control/revoke", `{"user":"alice"}`, 200)
	call("POST", "/control/revoke", `{"user":"alice"}`, 400)
	call("POST", "/control/switches", `{"name":"limited","value":"on"}`, 200)
	if r := l.get(l.dc.URL+"/rest/api/2/myself", ""); r.status != http.StatusTooManyRequests {
		t.Errorf("limited: got %d, want 429", r.status)
	}
	call("POST", "/control/switches", `{"name":"limited","value":"perhaps"}`, 400)
	call("POST", "/control/switches", `{"name":"mood","value":"on"}`, 400)
	call("DELETE", "/control/switches", "", 200)
	if r := l.get(l.dc.URL+"/rest/api/2/serverInfo", ""); r.status != http.StatusOK {
		t.Errorf("switches at their defaults: got %d, want 200", r.status)
	}
}

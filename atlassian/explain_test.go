package atlassian_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

const gatewayJira = "https://api.atlassian.com/ex/jira/5a0d7ea0"

// answered is an answer to a request with a token, as http.Client gives it.
func answered(t testing.TB, method, address string, status int, header http.Header, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer an-access-token")
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: req}
}

func asJSON(pairs ...string) http.Header {
	return headers(append(pairs, "Content-Type", "application/json")...)
}

func asPage(pairs ...string) http.Header {
	return headers(append(pairs, "Content-Type", "text/html; charset=UTF-8")...)
}

const (
	scopeBody = `{"code":401,"message":"Unauthorized; scope does not match"}`
	jiraBody  = `{"errorMessages":["Issue does not exist or you do not have permission to see it."],"errors":{}}`
	loginWall = `<!doctype html><title>Log in</title>`
)

// The rows of the catalogue of errors that are about APIs.
func TestAnswersAreExplained(t *testing.T) {
	for _, c := range []struct {
		name, method, address string
		status                int
		header                http.Header
		body                  string
		class                 atlassian.Class
		renew                 bool
		advice                string // a part of it
	}{
		{
			"a scope is missing", "GET", gatewayJira + "/rest/api/3/myself?expand=groups", 401, asJSON(), scopeBody,
			atlassian.ClassScope, false, "GET /ex/jira/5a0d7ea0/rest/api/3/myself needs the scope read:jira-user, or all of",
		},
		{
			"a scope is missing for an operation that is not known", "POST", gatewayJira + "/rest/api/3/unheard/of", 401, asJSON(), scopeBody,
			atlassian.ClassScope, false, "needs a scope that the token lacks (the token has: read:jira-work)",
		},
		{
			"the profile without its scope", "GET", "https://api.atlassian.com/me", 403, asJSON(), `{"code":403,"message":"Forbidden; scope does not match"}`,
			atlassian.ClassScope, false, "needs the scope read:me",
		},
		{
			"the token ended", "GET", gatewayJira + "/rest/api/3/myself", 401, asJSON(), `{"code":401,"message":"Unauthorized"}`,
			atlassian.ClassReconsent, true, "authorize again",
		},
		{
			"a site in place of the gateway", "GET", "https://Teahouse.atlassian.net/rest/api/3/myself", 401, asJSON(), "",
			atlassian.ClassConfig, false, "use https://api.atlassian.com/ex/{jira or confluence}/{cloud id} in place of https://Teahouse.atlassian.net",
		},
		{"no permission", "GET", gatewayJira + "/rest/api/3/auditing/record", 403, asJSON(), jiraBody, atlassian.ClassPermission, false, "authorizing again does not help"},
		{"the app is blocked", "GET", gatewayJira + "/rest/api/3/field", 403, asJSON(), `{"code":403,"message":"The app is not installed on this instance"}`, atlassian.ClassSite, false, "admin"},
		{"a wrong cloud id", "GET", gatewayJira + "/rest/api/3/field", 404, asJSON(), `{"code":404,"message":"Not Found"}`, atlassian.ClassSite, false, "compare the cloud id"},
		{"an issue that is not there", "GET", gatewayJira + "/rest/api/3/issue/TEA-1", 404, asJSON(), jiraBody, atlassian.ClassRequest, false, "may not see it"},
		{"the old search", "POST", gatewayJira + "/rest/api/3/search", 410, asJSON(), jiraBody, atlassian.ClassConfig, false, "use /rest/api/3/search/jql"},
		{"something old of Confluence", "GET", "https://api.atlassian.com/ex/confluence/5a0d7ea0/wiki/rest/api/content", 410, asJSON(), "", atlassian.ClassConfig, false, "/wiki/api/v2/"},
		{"something old", "GET", gatewayJira + "/rest/api/3/old", 410, asJSON(), "", atlassian.ClassConfig, false, "changelog"},
		{
			"the hour's points", "GET", gatewayJira + "/rest/api/3/field", 429, asJSON("Retry-After", "600", "RateLimit-Reason", "jira-quota-global-based"), "",
			atlassian.ClassTransient, false, "(jira-quota-global-based): send nothing for this app, to any site, until 10:50:00 UTC",
		},
		{"away for a while", "GET", gatewayJira + "/rest/api/3/field", 503, asJSON("Retry-After", "60"), "", atlassian.ClassTransient, false, "try again after 10:41:00 UTC"},
		{"away", "GET", gatewayJira + "/rest/api/3/field", 502, asPage(), "<html>", atlassian.ClassTransient, false, "try again later"},
		{"a wrong request", "POST", gatewayJira + "/rest/api/3/issue", 400, asJSON(), `{"errorMessages":[],"errors":{"summary":"is required"}}`, atlassian.ClassRequest, false, "the same again"},
		{"a page of the front door", "POST", gatewayJira + "/rest/api/3/issue", 400, asPage(), "<html>", atlassian.ClassRequest, false, "Something before the API"},
		{"a long address", "GET", gatewayJira + "/rest/api/3/search/jql?jql=x", 414, asPage(), "<html>", atlassian.ClassRequest, false, "POST /rest/api/3/search/jql"},

		{
			"nobody, with less to see", "GET", "https://dc.example.com/jira/rest/api/2/search", 200, asJSON("X-AUSERNAME", "anonymous", "X-Seraph-LoginReason", "AUTHENTICATED_FAILED"), `{"issues":[]}`,
			atlassian.ClassReconsent, true, "as to an anonymous visitor",
		},
		{"only Seraph says so", "GET", "https://dc.example.com/rest/api/2/serverInfo", 200, asJSON("X-Seraph-LoginReason", "AUTHENTICATED_FAILED"), `{}`, atlassian.ClassReconsent, true, "anonymous"},
		{"only the name says so", "GET", "https://dc.example.com/rest/api/2/serverInfo", 200, asJSON("X-Ausername", "Anonymous"), `{}`, atlassian.ClassReconsent, true, "anonymous"},
		{"nobody, where a login is needed", "GET", "https://dc.example.com/rest/api/2/myself", 401, asJSON("X-AUSERNAME", "anonymous"), jiraBody, atlassian.ClassReconsent, true, "not accepted"},
		{"to the login page", "GET", "https://dc.example.com/rest/api/2/myself", 302, headers("Location", "/login.jsp?os_destination=%2Frest"), "", atlassian.ClassReconsent, true, "redirect to a login page"},
		{"to single sign-on", "GET", "https://dc.example.com/rest/api/2/myself", 302, headers("Location", "https://sso.example.com/saml2/idp?x=secret"), "", atlassian.ClassReconsent, true, "redirect to a login page"},
		{"a login page with 200", "GET", "https://dc.example.com/rest/api/2/myself", 200, asPage(), loginWall, atlassian.ClassReconsent, true, "page for people"},
		{"a login page that does not say what it is", "GET", "https://dc.example.com/rest/api/2/myself", 200, nil, loginWall, atlassian.ClassReconsent, true, "page for people"},
		{"elsewhere", "GET", "http://dc.example.com/rest/api/2/myself", 301, headers("Location", "https://jira.example.com/rest/api/2/myself?x=secret"), "", atlassian.ClassConfig, false, "a redirect to https://jira.example.com/rest/api/2/myself, which"},
		{"nowhere", "GET", "http://dc.example.com/rest/api/2/myself", 302, nil, "", atlassian.ClassConfig, false, "nowhere"},
		{"no provider", "POST", "https://dc.example.com/rest/oauth2/latest/token", 404, asJSON(), "", atlassian.ClassConfig, false, "8.22"},
		{"no context path", "GET", "https://dc.example.com/rest/api/2/myself", 404, asPage(), "<html>", atlassian.ClassConfig, false, "context path"},
		{"a picture to read", "GET", "https://dc.example.com/rest/api/2/myself", 403, headers("X-Authentication-Denied-Reason", "CAPTCHA_CHALLENGE; login-url=x"), "", atlassian.ClassUser, false, "in the browser"},
		{"no passwords", "GET", "https://dc.example.com/rest/api/2/myself", 403, asJSON(), `{"errorMessages":["Basic Authentication has been disabled on this instance."]}`, atlassian.ClassConfig, false, "personal access token"},
		{"forgery", "POST", "https://dc.example.com/rest/api/2/issue", 403, asJSON(), `{"message":"XSRF check failed"}`, atlassian.ClassRequest, false, "X-Atlassian-Token: no-check"},
		{"Data Center's rates", "GET", "https://dc.example.com/rest/api/2/field", 429, asJSON("X-RateLimit-Interval-Seconds", "5"), "", atlassian.ClassTransient, false, "10:40:05 UTC"},
	} {
		res := answered(t, c.method, c.address, c.status, c.header, c.body)
		got := atlassian.Explain(res, []string{"read:jira-work"}, time.Date(2026, 3, 2, 10, 40, 0, 0, time.UTC))
		if got == nil {
			t.Errorf("%s: it passed for a success", c.name)
			continue
		}
		if got.Class != c.class || got.Renew != c.renew || !strings.Contains(got.Advice, c.advice) {
			t.Errorf("%s: got %s, renew %v, %q; want %s, renew %v, %q", c.name, got.Class, got.Renew, got.Advice, c.class, c.renew, c.advice)
		}
		if text := got.Error(); !strings.HasPrefix(text, c.method+" /") || strings.Contains(text, "secret") || strings.Contains(text, "expand") {
			t.Errorf("%s: got the text %q, want method and path and no query", c.name, text)
		}
		if left, err := io.ReadAll(res.Body); string(left) != c.body || err != nil {
			t.Errorf("%s: of the body %q was left (%v), want all of %q", c.name, left, err, c.body)
		}
	}
}

func TestSuccessesAreNotExplained(t *testing.T) {
	for name, res := range map[string]*http.Response{
		"JSON":              answered(t, "GET", gatewayJira+"/rest/api/3/myself", 200, asJSON(), "{}"),
		"somebody":          answered(t, "GET", "https://dc.example.com/rest/api/2/myself", 200, asJSON("X-AUSERNAME", "alice", "X-Seraph-LoginReason", "OK"), "{}"),
		"nothing":           answered(t, "DELETE", gatewayJira+"/rest/api/3/issue/TEA-1", 204, nil, ""),
		"not modified":      answered(t, "GET", gatewayJira+"/rest/api/3/field", 304, nil, ""),
		"an attached page":  answered(t, "GET", gatewayJira+"/rest/api/3/attachment/content/7", 200, asPage(), "<html>"),
		"an attached image": answered(t, "GET", "https://dc.example.com/secure/thumbnail/7/x.png", 200, headers("Content-Type", "image/png"), "png"),
	} {
		if got := atlassian.Explain(res, nil, time.Now()); got != nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
	public := answered(t, "GET", "https://dc.example.com/rest/api/2/serverInfo", 200, asJSON("X-AUSERNAME", "anonymous"), "{}")
	public.Request.Header.Del("Authorization")
	if got := atlassian.Explain(public, nil, time.Now()); got != nil {
		t.Errorf("somebody who asked as nobody: got %v", got)
	}
}

func TestCredentialsOfOtherKindsAreTold(t *testing.T) {
	for scheme, want := range map[string]string{
		"":                 "carried no credentials",
		"Basic YWxpY2U6eA": "scoped API token is taken by the gateway only",
	} {
		res := answered(t, "GET", "https://teahouse.atlassian.net/rest/api/3/myself", 401, asJSON(), "")
		res.Request.Header.Set("Authorization", scheme)
		if got := atlassian.Explain(res, nil, time.Now()); got.Class != atlassian.ClassConfig || got.Renew || !strings.Contains(got.Advice, want) {
			t.Errorf("%q: got %+v, want %q", scheme, got, want)
		}
	}
}

// http.Client follows a redirect to a login page, whose address would tell nobody anything.
func TestFollowedRedirectsAreExplainedByWhatWasAskedFirst(t *testing.T) {
	first := answered(t, "GET", "https://dc.example.com/rest/api/2/myself", 302, headers("Location", "/login.jsp"), "")
	last := answered(t, "GET", "https://dc.example.com/login.jsp", 200, asPage(), loginWall)
	last.Request.Response = first
	got := atlassian.Explain(last, nil, time.Now())
	if got == nil || got.Path != "/rest/api/2/myself" || got.Class != atlassian.ClassReconsent {
		t.Errorf("got %v", got)
	}
}

func TestFrontDoorTakesNoGetWithABody(t *testing.T) {
	res := answered(t, "GET", gatewayJira+"/rest/api/3/search/jql", 400, asPage(), "<html>")
	res.Request.ContentLength = 2
	if got := atlassian.Explain(res, nil, time.Now()); got.Class != atlassian.ClassRequest || !strings.Contains(got.Advice, "takes no GET with a body") {
		t.Errorf("got %+v", got)
	}
}

func TestProductsOwnWordsAreToldWithoutSecrets(t *testing.T) {
	for body, want := range map[string]string{
		`{"errorMessages":["Issue does not exist"],"errors":{}}`:                         "Issue does not exist",
		`{"errorMessages":[],"errors":{"summary":"is required"}}`:                        "summary: is required",
		`{"code":400,"message":"No\r\nway"}`:                                             "No way",
		`{"errors":[{"status":400,"code":"BAD","title":"No such space","detail":null}]}`: "No such space",
		`{"statusCode":400,"message":"com.atlassian.Exception: odd"}`:                    "com.atlassian.Exception: odd",
		`{"message":"you sent an-access-token"}`:                                         "",
		`{"message":{"en":{"no":"text"}}}`:                                               "",
		`not JSON`:                                                                       "",
	} {
		got := atlassian.Explain(answered(t, "POST", gatewayJira+"/rest/api/3/issue", 400, asJSON(), body), nil, time.Now())
		if got.Said != want || strings.Contains(got.Error(), "an-access-token") {
			t.Errorf("%s: got %q, want %q", body, got.Said, want)
		}
	}
}

func TestFailuresAreErrorsOfAKind(t *testing.T) {
	for status, kind := range map[int]keybearer.Kind{
		400: keybearer.BadRequest, 401: keybearer.Reauthorize, 403: keybearer.PermissionDenied, 404: keybearer.NotFound,
		410: keybearer.ProviderRefused, 429: keybearer.RateLimited, 500: keybearer.ProviderAway,
	} {
		var err error = atlassian.Explain(answered(t, "GET", gatewayJira+"/rest/api/3/x", status, asJSON(), "{}"), nil, time.Now())
		if !errors.Is(err, kind) || keybearer.KindOf(err) != kind {
			t.Errorf("%d: got %v (%s), want %s", status, err, keybearer.KindOf(err), kind)
		}
	}
}

// An endless body costs 16 KiB and no more.
func TestLittleOfAnAnswerIsRead(t *testing.T) {
	endless := &counting{}
	res := answered(t, "GET", gatewayJira+"/rest/api/3/x", 500, asJSON(), "")
	res.Body = endless
	atlassian.Explain(res, nil, time.Now())
	if endless.read > 64<<10 {
		t.Errorf("%d bytes were read", endless.read)
	}
	if err := res.Body.Close(); err != nil || !endless.closed {
		t.Errorf("closing: %v, closed: %v", err, endless.closed)
	}
}

type counting struct {
	read   int
	closed bool
}

func (c *counting) Read(p []byte) (int, error) {
	c.read += len(p)
	return copy(p, bytes.Repeat([]byte{'x'}, len(p))), nil
}

func (c *counting) Close() error {
	c.closed = true
	return nil
}

func FuzzExplain(f *testing.F) {
	f.Add(401, "GET", "/ex/jira/5a0d/rest/api/3/myself", "application/json", "", "", []byte(scopeBody))
	f.Add(200, "GET", "/rest/api/2/search", "", "anonymous", "", []byte(loginWall))
	f.Add(302, "GET", "/x", "", "", "/login.jsp?os_destination=x", []byte(nil))
	f.Add(404, "\x1b[2J", "/%2e%2e/\x1b", "text/html", "", "", []byte(`{"errors":[{"title":"\u202e"}]}`))
	f.Fuzz(func(t *testing.T, status int, method, path, media, who, location string, body []byte) {
		res := &http.Response{
			StatusCode: status, Header: headers("Content-Type", media, "X-AUSERNAME", who, "Location", location),
			Body: io.NopCloser(bytes.NewReader(body)),
			Request: &http.Request{
				Method: method, URL: &url.URL{Scheme: "https", Host: "api.atlassian.com", Path: path},
				Header: headers("Authorization", "Bearer an-access-token"),
			},
		}
		got := atlassian.Explain(res, nil, time.Unix(0, 0))
		if left, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(left, body) {
			t.Errorf("the body is not as it was: %v", err)
		}
		if got == nil {
			if status/100 != 2 && status != http.StatusNotModified {
				t.Errorf("%d passed for a success", status)
			}
			return
		}
		text := got.Error()
		if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) || len(text) > 8<<10 || got.Advice == "" {
			t.Errorf("not fit to be shown: %q", text)
		}
		if got.Class.Kind() == keybearer.Internal || got.Renew && got.Class != atlassian.ClassReconsent {
			t.Errorf("got %+v", got)
		}
	})
}

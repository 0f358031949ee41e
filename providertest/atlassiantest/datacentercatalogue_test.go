package atlassiantest_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// dcTrouble is a row of what people meet at Data Center.
type dcTrouble struct {
	trouble
	do func(*linked) reply
}

// token sends a form to the token endpoint.
func (l *linked) token(form url.Values) reply {
	return l.postForm(l.dc.URL+"/rest/oauth2/latest/token", form)
}

func (l *linked) myself(token string) reply { return l.get(l.dc.URL+"/rest/api/2/myself", token) }

func dataCenterTroubles() []dcTrouble {
	const loginRequired = `{"errorMessages":["You do not have the permission to see the specified resource. Login Required"],"errors":{}}`
	nobody := map[string]string{"X-AUSERNAME": "anonymous", "X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
	dead := func(l *linked) reply { return l.myself("made-up") }
	authorize := func(change url.Values) func(*linked) reply {
		return func(l *linked) reply { return l.ask(change) }
	}
	twice := func(l *linked) reply {
		form := l.redeemForm(l.code())
		l.token(form)
		return l.token(form)
	}
	return []dcTrouble{
		{trouble{name: "scope of Cloud", status: 302, back: url.Values{"error": {"invalid_scope"}, "error_description": {"The requested scope is invalid, unknown, or malformed."}, "state": {"the-state"}}}, authorize(url.Values{"scope": {"read:jira-work"}})},
		{trouble{name: "scope of Cloud, on a page", switches: map[string]string{"scope_refusal": "page"}, status: 400, contains: "scope"}, authorize(url.Values{"scope": {"read:jira-work"}})},
		{trouble{name: "redirect without HTTPS", switches: map[string]string{"redirect_https": "on"}, status: 400, contains: "HTTPS"}, authorize(nil)},
		{trouble{name: "redirect that is not registered", status: 400, contains: "redirect"}, authorize(url.Values{"redirect_uri": {callback + "/"}})},
		{trouble{name: "JSON", status: 500, contains: "FormParam"}, func(l *linked) reply {
			return l.call("POST", l.dc.URL+"/rest/oauth2/latest/token", "", `{"grant_type":"refresh_token"}`)
		}},
		{trouble{name: "code used", status: 400, body: `{"error":"invalid_grant"}`}, twice},
		{trouble{name: "code late", status: 400, body: `{"error":"invalid_grant"}`}, func(l *linked) reply {
			form := l.redeemForm(l.code())
			l.dc.Advance(10 * time.Second)
			return l.token(form)
		}},
		{trouble{name: "refresh with a replaced token", status: 400, body: `{"error":"invalid_grant"}`}, func(l *linked) reply {
			old := l.refreshForm(l.login().RefreshToken)
			l.token(old)
			return l.token(old)
		}},
		{trouble{name: "refresh without redirect_uri", switches: map[string]string{"refresh_redirect": "required"}, status: 400, body: `{"error":"invalid_grant"}`}, func(l *linked) reply {
			form := l.refreshForm(l.login().RefreshToken)
			form.Del("redirect_uri")
			return l.token(form)
		}},
		{trouble{name: "wrong secret", status: 401, contains: `"error":"invalid_client"`}, func(l *linked) reply {
			form := l.redeemForm(l.code())
			form.Set("client_secret", "guess")
			return l.token(form)
		}},
		{trouble{name: "rotated secret", switches: map[string]string{"secret_rotated": "on"}, status: 401, contains: `"error":"invalid_client"`}, func(l *linked) reply { return l.token(l.redeemForm(l.code())) }},
		{trouble{name: "version without a provider", switches: map[string]string{"version": "8.21.0"}, status: 404, contains: `"status-code":404`}, authorize(nil)},
		{trouble{name: "base URL without HTTPS", switches: map[string]string{"base_https": "on"}, status: 404, contains: `"status-code":404`}, authorize(nil)},
		{trouble{name: "context path left out", switches: map[string]string{"context_path": "/jira"}, status: 404, contains: "HTTP Status 404"}, authorize(nil)},
		{trouble{name: "token not accepted", status: 401, body: loginRequired, header: nobody}, dead},
		{trouble{name: "token not accepted, less data", status: 200, contains: `"total":1`, header: nobody}, func(l *linked) reply { return l.get(l.dc.URL+"/rest/api/2/search", "made-up") }},
		{trouble{name: "token not accepted, login redirect", switches: map[string]string{"anonymous": "login"}, status: 302, header: map[string]string{"Location": "/login.jsp?os_destination=%2Frest%2Fapi%2F2%2Fmyself"}}, dead},
		{trouble{name: "token not accepted, login page", switches: map[string]string{"anonymous": "page"}, status: 200, contains: "Please log in", header: map[string]string{"Content-Type": "text/html; charset=utf-8"}}, dead},
		{trouble{name: "old access token after a refresh", status: 401, body: loginRequired, header: nobody}, func(l *linked) reply {
			first := l.login()
			l.token(l.refreshForm(first.RefreshToken))
			return l.myself(first.AccessToken)
		}},
		{trouble{name: "no permission", status: 403, contains: "permission"}, func(l *linked) reply {
			l.dc.Approve("bob")
			return l.get(l.dc.URL+"/rest/auditing/1.0/events", l.login().AccessToken)
		}},
		{trouble{name: "too often", switches: map[string]string{"limited": "on"}, status: 429, header: map[string]string{
			"Retry-After": "5", "X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0", "X-RateLimit-FillRate": "2", "X-RateLimit-Interval-Seconds": "5",
		}}, dead},
		{trouble{name: "password at single sign-on", switches: map[string]string{"no_basic": "on"}, status: 403, contains: "Basic Authentication has been disabled"}, func(l *linked) reply {
			return l.call(http.MethodGet, l.dc.URL+"/rest/api/2/myself", basic("alice", "alice"), "")
		}},
	}
}

func TestEachTroubleOfDataCenterCanBeHad(t *testing.T) {
	for _, row := range dataCenterTroubles() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := newLinked(t, atlassiantest.DataCenterConfig{})
			for name, value := range row.switches {
				if err := l.dc.Set(name, value); err != nil {
					t.Fatal(err)
				}
			}
			row.check(t, row.do(l))
		})
	}
}

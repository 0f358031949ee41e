package atlassian

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxPathText    = 200 // letters of a path that are shown
	maxScopesShown = 20
)

// Explain says what an answer of Atlassian's APIs that came now means, Cloud's gateway and sites as well as
// Data Center, or nil for a success. It closes nothing, and the body can still be read in whole: at most
// 16 KiB of it are looked at.
//
// A status of 200 is not always a success: Data Center does not refuse a token that it does not accept but
// answers as to nobody, with less in it, or with a login page. It says so in headers, X-AUSERNAME and
// X-Seraph-LoginReason, which count unless the request, res.Request, is known to have carried no
// credentials. A redirect that was not followed is a failure, and so is a page where JSON belongs.
//
// granted are the token's scopes, for [Failure.Needs]; nil if they are not known.
func Explain(res *http.Response, granted []string, now time.Time) *Failure {
	a := readAnswer(res)
	f := &Failure{
		Status: res.StatusCode, Method: printable(a.method(), 20), Path: printable(a.url().EscapedPath(), maxPathText),
		RateLimit: ReadRateLimit(res.StatusCode, res.Header, now),
	}
	switch {
	case a.redirected():
		a.explainRedirect(f)
	case a.succeeded():
		if !a.explainSuccess(f) {
			return nil
		}
	default:
		f.Said = a.message()
		a.explainStatus(f, granted)
	}
	return f
}

func (f *Failure) is(class Class, advice string, args ...any) {
	f.Class, f.Advice = class, fmt.Sprintf(advice, args...)
}

// notAccepted is what a token gets that ended, was replaced or taken back. Nothing renews an API token.
func (a answer) notAccepted(f *Failure, what string) {
	switch a.scheme() {
	case "":
		f.is(ClassConfig, "%s. The request carried no credentials: send it with the token", what)
	case "basic":
		f.is(ClassConfig, "%s. The email address (on Data Center: the user name) or the API token is wrong or has ended. A scoped API token is taken by the gateway only: %s/ex/{jira or confluence}/{cloud id}", what, Gateway)
	default:
		f.is(ClassReconsent, "%s. If a renewed token gets the same answer, the authorization has ended: authorize again (a personal access token has to be made anew)", what)
		f.Renew = true
	}
}

// explainSuccess finds the 2xx that are none, and reports whether this is one.
func (a answer) explainSuccess(f *Failure) bool {
	who := a.Header.Get("X-AUSERNAME")
	switch {
	case a.scheme() == "": // nobody is what was asked for
		return a.loginPage(f)
	case strings.EqualFold(who, "anonymous"), a.loginRefused():
		a.notAccepted(f, "The credentials were not accepted: the server answered as to an anonymous visitor, who sees less")
		return true
	}
	return a.loginPage(f)
}

// loginPage finds a page in the place of an answer. Attachments may be pages of their own right.
func (a answer) loginPage(f *Failure) bool {
	path := a.url().Path
	if !a.isPage() || strings.Contains(path, "attachment") || strings.Contains(path, "download") {
		return false
	}
	a.notAccepted(f, "The answer is a page for people, a login page most likely, and no answer of the API: the credentials were not accepted, or something before the server wants people to sign in")
	return true
}

// loginRefused reads the word of Seraph, which is what signs people in at Jira and Confluence. At endpoints
// that are open to everybody it is the only sign of credentials that were refused.
func (a answer) loginRefused() bool {
	return slices.ContainsFunc(a.Header.Values("X-Seraph-LoginReason"), func(reason string) bool {
		return !strings.EqualFold(strings.TrimSpace(reason), "OK")
	})
}

func (a answer) explainRedirect(f *Failure) {
	to, err := a.Location()
	if err != nil {
		f.is(ClassConfig, "The answer is a redirect to nowhere: check the base URL, a proxy may stand before it")
		return
	}
	if isLogin(to) {
		a.notAccepted(f, "The answer is a redirect to a login page: the credentials were not accepted")
		return
	}
	f.is(ClassConfig, "The answer is a redirect to %s, which is not followed, since the token would go along: use the address that the server has now, with its context path", shown(to))
}

// isLogin knows the login pages of Jira, Confluence, Atlassian's accounts, and of single sign-on.
func isLogin(to *url.URL) bool {
	path := strings.ToLower(to.Path)
	return to.Hostname() == "id.atlassian.com" || to.Query().Has("os_destination") ||
		slices.ContainsFunc([]string{"login", "signin", "sso", "saml"}, func(word string) bool { return strings.Contains(path, word) })
}

package atlassian

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// explainStatus is for 4xx and 5xx.
func (a answer) explainStatus(f *Failure, granted []string) {
	switch status := a.StatusCode; {
	case f.RateLimit.Limited && status == http.StatusTooManyRequests:
		f.is(ClassTransient, "%s", f.RateLimit.Advice())
	case f.RateLimit.Limited:
		f.is(ClassTransient, "The server is not available: try again after %s", f.RateLimit.Until.UTC().Format("15:04:05 UTC"))
	case strings.Contains(strings.ToLower(f.Said), "scope does not match"):
		a.explainScope(f, granted)
	case status == http.StatusUnauthorized:
		a.explainUnauthorized(f)
	case status == http.StatusForbidden:
		a.explainForbidden(f, granted)
	case status == http.StatusNotFound:
		a.explainNotFound(f)
	case status == http.StatusGone:
		a.explainGone(f)
	case status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooEarly:
		f.is(ClassTransient, "The server failed: try again later")
	default:
		a.explainRequest(f)
	}
}

// explainScope is for the one 401 that no refresh mends.
func (a answer) explainScope(f *Failure, granted []string) {
	o, known := FindOperation(a.method(), a.url().Path)
	if known {
		f.Needs = o.Needs(granted)
	}
	have := ""
	if granted != nil {
		have = fmt.Sprintf(" (the token has: %s)", shownScopes(granted))
	}
	needs := "a scope that the token lacks"
	if f.Needs != "" {
		needs = "the scope " + f.Needs
	}
	f.is(ClassScope, "%s %s needs %s%s. Add it to the app in the developer console under Permissions, ask for it, and authorize again; refreshing does not help",
		f.Method, f.Path, needs, have)
}

func shownScopes(granted []string) string {
	return printable(strings.Join(granted[:min(len(granted), maxScopesShown)], " "), 40*maxScopesShown)
}

func (a answer) explainUnauthorized(f *Failure) {
	switch scheme := a.scheme(); {
	case a.captcha():
		f.is(ClassUser, "Too many logins with a wrong password: log in once in the browser, where a picture has to be read")
	case scheme == "bearer" && a.atSite():
		f.is(ClassConfig, "A site does not take this token, only the gateway does: use %s/ex/{jira or confluence}/{cloud id} in place of https://%s", Gateway, printable(a.host(), maxPathText))
	default:
		a.notAccepted(f, "The credentials were not accepted")
	}
}

// captcha reports that a person has to log in before REST is open again. X-Authentication-Denied-Reason is
// Jira's, AUTHENTICATION_DENIED Seraph's word for the same.
func (a answer) captcha() bool {
	return strings.HasPrefix(strings.ToUpper(a.Header.Get("X-Authentication-Denied-Reason")), "CAPTCHA") ||
		slices.Contains(a.Header.Values("X-Seraph-LoginReason"), "AUTHENTICATION_DENIED")
}

func (a answer) explainForbidden(f *Failure, granted []string) {
	said := strings.ToLower(f.Said)
	switch {
	case a.captcha():
		f.is(ClassUser, "Too many logins with a wrong password: log in once in the browser, where a picture has to be read")
	case strings.Contains(said, "basic auth"):
		f.is(ClassConfig, "This server takes no passwords: use OAuth 2.0 or a personal access token")
	case strings.Contains(said, "xsrf"):
		f.is(ClassRequest, "The request looks like a browser's: send the header X-Atlassian-Token: no-check")
	case strings.Contains(said, "not installed"):
		f.is(ClassSite, "The app may not be used at this site: its admin has to allow it")
	case a.isPage():
		f.is(ClassPermission, "The answer is a page for people: something before the server refuses the request, or single sign-on is needed; ask the server's admin")
	case slices.ContainsFunc(granted, func(s string) bool { return SystemAdmin.Covers(Access(s)) }):
		f.is(ClassPermission, "The user lacks this permission in the product, or the level that the token has (%s) is too low for it: ask for a higher one and authorize again, if the user may do it in the browser", shownScopes(granted))
	default:
		f.is(ClassPermission, "The user lacks this permission in the product; the token and its scopes are in order, and authorizing again does not help")
	}
}

func (a answer) explainNotFound(f *Failure) {
	path := a.url().Path
	switch {
	case a.fromProduct():
		f.is(ClassRequest, "What was asked for is not there, or the user may not see it")
	case strings.HasPrefix(path, "/ex/"):
		f.is(ClassSite, "The token reaches no site of this cloud id with this product, or what was asked for is not there: compare the cloud id with the sites that the token reaches")
	case strings.Contains(path, "/rest/oauth2/latest/"):
		f.is(ClassConfig, "There is no OAuth 2.0 provider at this address: it takes Jira 8.22 or Confluence 7.17, a base URL with HTTPS, and the server's context path, such as https://host/jira")
	default:
		f.is(ClassConfig, "There is nothing at this address: check the base URL and its context path, such as https://host/jira, and the path of the API")
	}
}

// explainGone names the replacement of what Atlassian has taken away.
func (a answer) explainGone(f *Failure) {
	use := "what the API's changelog names in its place"
	path := a.url().Path
	for _, version := range []string{"/2/", "/3/", "/latest/"} {
		if strings.HasSuffix(path, "/rest/api"+version+"search") {
			use = "/rest/api/3/search/jql (fields have to be named, pages follow nextPageToken, and there is no total)"
		}
	}
	if strings.Contains(path, "/wiki/rest/api/") {
		use = "version 2 of Confluence's API, /wiki/api/v2/"
	}
	f.is(ClassConfig, "Atlassian has removed this operation: use %s", use)
}

func (a answer) explainRequest(f *Failure) {
	switch {
	case a.StatusCode == http.StatusRequestURITooLong:
		f.is(ClassRequest, "The address is too long: send long queries in the body, such as POST /rest/api/3/search/jql")
	case a.isPage() && (f.Method == http.MethodGet || f.Method == http.MethodHead) && a.first != nil && a.first.ContentLength != 0:
		f.is(ClassRequest, "Atlassian's front door takes no %s with a body: send it without one", f.Method)
	case a.isPage():
		f.is(ClassRequest, "Something before the API refused the request with a page for people: check address, method and headers")
	default:
		f.is(ClassRequest, "The request is wrong, and the same again will be, too")
	}
}

// atSite reports whether the request went to a site of Cloud in place of the gateway.
func (a answer) atSite() bool {
	return Site{URL: "https://" + plainHost(&url.URL{Host: a.host()})}.Subdomain() != ""
}

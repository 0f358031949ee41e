package doctor

import (
	"context"
	"crypto/rand"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/oauth"
)

const (
	maxPage  = 64 << 10 // bytes of a page that are read
	maxShown = 300      // letters of it that are shown
)

// unproven is what an authorize page that answers does not prove.
const unproven = "that proves little, since client id, redirect URI and scopes are judged only after a person has logged in"

// checkWay looks at the way that a browser is sent, as far as that goes without a person.
func (c *chart) checkWay(ctx context.Context) {
	if _, ok := atlassian.DataCenterProduct(c.p.ProviderID, valueOf(c.p.OAuth2.Product)); ok {
		c.checkServer(ctx)
		return
	}
	f := Finding{Check: "authorize.page"}
	defer func() { c.note(f) }()
	target, scopes, err := c.authorizeURL()
	if err == nil {
		err = oauth.CheckEndpoint(target.Scheme+"://"+target.Host+target.Path, false)
	}
	if err != nil {
		f.Verdict, f.Saw, f.Do = Problem, "the authorize endpoint cannot be used: "+err.Error(), "Repair authorize_request.endpoint of the provider"
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askLife)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		f.Verdict, f.Saw = Problem, reasonOf(err)
		return
	}
	req.Header.Set("Accept", "text/html")
	res, err := c.HTTP.Do(req)
	if err != nil {
		f.Verdict, f.Saw, f.Do = Problem, fmt.Sprintf("%s does not answer: %s", target.Host, reasonOf(err)), "Check the name and the way to it from this machine; people's browsers may have another one"
		return
	}
	defer func() { _ = res.Body.Close() }()
	c.readWay(&f, res, scopes)
}

// readWay judges what the authorize endpoint answered to a visitor without cookies.
func (c *chart) readWay(f *Finding, res *http.Response, scopes []string) {
	to, _ := res.Location()
	switch {
	case res.StatusCode == http.StatusRequestURITooLong:
		f.Verdict, f.Saw = Problem, fmt.Sprintf("%s answers 414: with %d scopes the address is too long, and people see an error page", res.Request.URL.Host, len(scopes))
		f.Do = fmt.Sprintf("Ask for fewer scopes, below %d; one classic scope often does for many granular ones", atlassian.ManyScopes)
	case to != nil && to.Query().Has("error"):
		f.Verdict, f.Saw = Problem, fmt.Sprintf("the browser is sent back with the error %s", oauth.Clean(to.Query().Get("error")+" "+to.Query().Get("error_description"), maxShown))
		f.Do = "Compare client id, redirect URI and scopes with the app, to the letter"
	case to != nil:
		f.Verdict, f.Saw = OK, fmt.Sprintf("%s answers %d and sends the browser to %s; %s", res.Request.URL.Host, res.StatusCode, to.Host, unproven)
	case res.StatusCode < 300:
		f.Verdict, f.Saw = OK, fmt.Sprintf("%s answers with a page; %s", res.Request.URL.Host, unproven)
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		f.Verdict, f.Saw, f.Do = Warning, fmt.Sprintf("%s answers %d", res.Request.URL.Host, res.StatusCode), "Try again later"
	default:
		f.Verdict, f.Saw = Problem, fmt.Sprintf("%s answers %d with a page that people would be left on: %s", res.Request.URL.Host, res.StatusCode, wordsOf(res.Body))
		if c.guessed() {
			f.Saw += " (asked with the scope " + guess + ", since the real ones are not known here)"
		}
		f.Do = "Compare client id, redirect URI and scopes with the app, to the letter; each scope has to be added under Permissions to the API that it belongs to"
	}
}

// authorizeURL is where the engine would send a browser, with a state that leads nowhere, and its scopes:
// those that apps are going to ask for, else those that were granted, else those that are always asked for.
func (c *chart) authorizeURL() (*url.URL, []string, error) {
	r := c.p.OAuth2.AuthorizeRequest
	if r == nil || r.Endpoint == nil {
		return nil, nil, fmt.Errorf("there is none")
	}
	u, err := url.Parse(*r.Endpoint)
	if err != nil {
		return nil, nil, err
	}
	scopes := c.asked()
	fill := strings.NewReplacer(
		"{{client_id}}", c.p.OAuth2.ClientID, "{{scopes}}", strings.Join(scopes, " "), "{{existing_scopes}}", "", "{{redirect_uri}}", c.p.OAuth2.RedirectURI,
	)
	q := u.Query()
	for name, value := range r.Params {
		if value = strings.TrimSpace(fill.Replace(value)); value != "" {
			q.Set(name, value)
		}
	}
	q.Set("state", "doctor-"+rand.Text())
	if pkce := c.p.OAuth2.PKCE; pkce != nil && pkce.Enabled != nil && *pkce.Enabled {
		q.Set("code_challenge", (rand.Text() + rand.Text())[:43])
		q.Set("code_challenge_method", "S256")
	}
	u.RawQuery = q.Encode()
	return u, scopes, nil
}

// guess is asked for where nobody knows better: without a scope the page is one of errors.
const guess = "read:me"

// guessed reports that what apps ask for is not known.
func (c *chart) guessed() bool { return c.isCloud() && len(c.wanted) == 0 && c.connection == nil }

// asked are the scopes that the next authorization asks for, as far as anybody knows.
func (c *chart) asked() []string {
	var scopes []string
	rules := c.p.OAuth2.Scopes
	switch {
	case len(c.wanted) > 0:
		scopes = slices.Clone(c.wanted)
	case c.connection != nil && len(c.connection.Scopes) > 0:
		scopes = slices.Clone(c.connection.Scopes)
	case rules != nil && len(rules.Default) > 0:
		scopes = slices.Clone(rules.Default)
	case c.isCloud():
		scopes = []string{guess}
	}
	if rules != nil {
		scopes = append(scopes, rules.Always...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// wordsOf is what people would read on a page, in one line.
func wordsOf(page io.Reader) string {
	body, _ := io.ReadAll(io.LimitReader(page, maxPage))
	text := hidden().ReplaceAllString(string(body), " ")
	text = strings.Join(strings.Fields(html.UnescapeString(tag().ReplaceAllString(text, " "))), " ")
	if text = oauth.Clean(text, maxShown); text == "" {
		return "(no words)"
	}
	return text
}

func hidden() *regexp.Regexp {
	return regexp.MustCompile(`(?is)<(head|style|script)\b.*?</(head|style|script)>`)
}

func tag() *regexp.Regexp { return regexp.MustCompile(`(?s)<[^>]*>`) }

// checkServer looks at a Data Center server as nobody.
func (c *chart) checkServer(ctx context.Context) {
	product, _ := atlassian.DataCenterProduct(c.p.ProviderID, valueOf(c.p.OAuth2.Product))
	found := atlassian.Preflight{
		HTTP: c.HTTP, ServerURL: valueOf(c.p.OAuth2.ServerURL), Product: product, RedirectURI: c.p.OAuth2.RedirectURI,
	}.Run(ctx)
	if found.Version != "" {
		c.note(Finding{Check: "authorize.server", Verdict: OK, Product: found.Product, Saw: fmt.Sprintf("%s %s answers at %s", found.Product, oauth.Clean(found.Version, 40), valueOf(c.p.OAuth2.ServerURL))})
	}
	for _, fault := range found.Findings {
		verdict := Problem
		if fault.Doubt {
			verdict = Warning
		}
		c.note(Finding{Check: "authorize.server", Verdict: verdict, Product: found.Product, Class: atlassian.ClassConfig, Saw: fault.Says})
	}
	if found.Usable() && found.Version != "" {
		c.note(Finding{Check: "authorize.page", Verdict: OK, Product: found.Product, Saw: "the OAuth 2.0 provider is on; " + unproven})
	}
}

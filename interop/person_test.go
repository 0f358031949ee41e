package interop_test

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// person is someone with a browser: a cookie jar, links that are followed, forms
// that are filled in. It needs no JavaScript, and neither do the pages that it meets.
type person struct {
	login  string // what is typed into a login form
	client *http.Client
}

// page is where a person has arrived.
type page struct {
	url    *url.URL
	status int
	header http.Header
	body   string
	forms  []form
	trail  []string // the addresses before this one, oldest first
}

type form struct {
	action  string
	method  string
	fields  url.Values
	buttons []button
}

type button struct{ name, value, label string }

// choice picks the way on from a page: a form and a button of it, or a link.
// It gives false when the person stops here.
type choice func(p *page) (next *http.Request, ok bool, err error)

func newPerson(t *testing.T, login string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatalf("making a cookie jar: %v", err)
	}
	return &person{login: login, client: &http.Client{Jar: jar, Timeout: patience}}
}

// consents opens the link and says yes to everything until no form is left.
func (who *person) consents(t *testing.T, link string) *page {
	t.Helper()
	return who.walks(t, link, who.says(yes))
}

// declines opens the link, signs in where asked, and says no when asked for access.
func (who *person) declines(t *testing.T, link string) *page {
	t.Helper()
	return who.walks(t, link, who.says(no))
}

// opens follows the link and its redirects and touches nothing.
func (who *person) opens(t *testing.T, link string) *page {
	t.Helper()
	return who.walks(t, link, func(*page) (*http.Request, bool, error) { return nil, false, nil })
}

func (who *person) walks(t *testing.T, link string, choose choice) *page {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatalf("opening %s: %v", link, err)
	}
	var trail []string
	for range 12 {
		p, err := who.visits(req)
		if err != nil {
			t.Fatalf("after %v: %v", trail, err)
		}
		p.trail = trail
		next, ok, err := p.refreshes()
		if err == nil && !ok {
			next, ok, err = choose(p)
		}
		if err != nil {
			t.Fatalf("on %s: %v", p.url, err)
		}
		if !ok {
			return p
		}
		trail = append(trail, p.url.String())
		req = next.WithContext(t.Context())
	}
	t.Fatalf("no end to the pages: %v", trail)
	return nil
}

func (who *person) visits(req *http.Request) (*page, error) {
	resp, err := who.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	p := &page{url: resp.Request.URL, status: resp.StatusCode, header: resp.Header, body: string(body)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		p.forms = readForms(p.body)
	}
	return p, nil
}

// refreshes is where the page sends the browser on by itself, without a redirect.
func (p *page) refreshes() (next *http.Request, ok bool, err error) {
	for _, meta := range metaTag.FindAllStringSubmatch(p.body, -1) {
		a := attributes(meta[1])
		if !strings.EqualFold(a["http-equiv"], "refresh") {
			continue
		}
		if _, target, found := strings.Cut(a["content"], "url="); found {
			next, err = http.NewRequest(http.MethodGet, resolve(p.url, target), nil)
			return next, true, err
		}
	}
	return nil, false, nil
}

// The words by which people find the right button.
var (
	yes = regexp.MustCompile(`(?i)sign.?in|log.?in|continue|accept|allow|authori[sz]e|approve|grant|yes`)
	no  = regexp.MustCompile(`(?i)cancel|deny|decline|refuse|reject|not me|no\b`)
)

// says fills in each form that comes, and presses the button, or follows the link,
// whose words match. The question who one is is always answered.
func (who *person) says(words *regexp.Regexp) choice {
	return func(p *page) (*http.Request, bool, error) {
		if len(p.forms) == 0 || p.status >= 400 {
			return nil, false, nil
		}
		for _, f := range p.forms {
			if b, ok := who.ownAccount(f); ok || asksForLogin(f) {
				req, err := who.submit(p, f, b)
				return req, true, err
			}
		}
		for _, f := range p.forms {
			for _, b := range f.buttons {
				if words.MatchString(b.label) {
					req, err := who.submit(p, f, b)
					return req, true, err
				}
			}
		}
		if target, ok := linkThatSays(p.body, words); ok {
			req, err := http.NewRequest(http.MethodGet, resolve(p.url, target), nil)
			return req, true, err
		}
		return nil, false, fmt.Errorf("nothing says %s in:\n%s", words, p.body)
	}
}

// ownAccount is the button of a page that lets people choose who they are.
func (who *person) ownAccount(f form) (button, bool) {
	for _, b := range f.buttons {
		if b.name == "account" && b.value == who.login {
			return b, true
		}
	}
	return button{}, false
}

func asksForLogin(f form) bool {
	return f.fields.Has("password") || f.fields.Has("login") || f.fields.Has("username")
}

func (who *person) submit(p *page, f form, b button) (*http.Request, error) {
	values := url.Values{}
	for name, list := range f.fields {
		values[name] = list
	}
	for _, name := range []string{"login", "username", "email"} {
		if values.Has(name) {
			values.Set(name, who.login)
		}
	}
	if values.Has("password") {
		values.Set("password", "any password will do")
	}
	if b.name != "" {
		values.Set(b.name, b.value)
	}

	target := resolve(p.url, f.action)
	if !strings.EqualFold(f.method, http.MethodPost) {
		return http.NewRequest(http.MethodGet, target+"?"+values.Encode(), nil)
	}
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	// What a browser says of itself when it sends a form from a page.
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", p.url.Scheme+"://"+p.url.Host)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return req, nil
}

func resolve(base *url.URL, target string) string {
	ref, err := url.Parse(target)
	if err != nil {
		return target
	}
	return base.ResolveReference(ref).String()
}

var (
	formTag   = regexp.MustCompile(`(?is)<form\b([^>]*)>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`(?is)<input\b([^>]*)>`)
	buttonTag = regexp.MustCompile(`(?is)<button\b([^>]*)>(.*?)</button>`)
	linkTag   = regexp.MustCompile(`(?is)<a\b([^>]*)>(.*?)</a>`)
	metaTag   = regexp.MustCompile(`(?is)<meta\b([^>]*)>`)
	anyTag    = regexp.MustCompile(`(?s)<[^>]*>`)
	attribute = regexp.MustCompile(`(?is)([a-z-]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)`)
)

// readForms reads the plain forms of the pages in these tests; it is no HTML parser.
func readForms(body string) []form {
	var forms []form
	for _, found := range formTag.FindAllStringSubmatch(body, -1) {
		head := attributes(found[1])
		f := form{action: head["action"], method: head["method"], fields: url.Values{}}
		for _, input := range inputTag.FindAllStringSubmatch(found[2], -1) {
			a := attributes(input[1])
			switch a["type"] {
			case "submit":
				f.buttons = append(f.buttons, button{name: a["name"], value: a["value"], label: a["value"]})
			case "checkbox", "radio":
				if strings.Contains(input[1], "checked") {
					f.fields.Add(a["name"], a["value"])
				}
			default:
				f.fields.Add(a["name"], a["value"])
			}
		}
		for _, b := range buttonTag.FindAllStringSubmatch(found[2], -1) {
			a := attributes(b[1])
			f.buttons = append(f.buttons, button{name: a["name"], value: a["value"], label: words(b[2])})
		}
		forms = append(forms, f)
	}
	return forms
}

func linkThatSays(body string, text *regexp.Regexp) (string, bool) {
	for _, link := range linkTag.FindAllStringSubmatch(body, -1) {
		if text.MatchString(words(link[2])) {
			return attributes(link[1])["href"], true
		}
	}
	return "", false
}

func attributes(tag string) map[string]string {
	found := map[string]string{}
	for _, a := range attribute.FindAllStringSubmatch(tag, -1) {
		found[strings.ToLower(a[1])] = html.UnescapeString(strings.Trim(a[2], `"'`))
	}
	return found
}

func words(fragment string) string {
	return strings.TrimSpace(html.UnescapeString(anyTag.ReplaceAllString(fragment, " ")))
}

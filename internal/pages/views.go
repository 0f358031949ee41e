package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer"
)

//go:embed templates assets
var files embed.FS

// The pages' data. Every text in it is escaped by html/template where it is put in.
type (
	homePage struct{ User, Docs string }

	startPage struct {
		ID, App, Provider, Host, User string
		Scopes, More                  []scope
	}

	onwardPage struct{ To, Host string }

	signInPage struct {
		Action, ReturnTo, User string
		Provider               string // what is being connected, or ""
		Wrong                  bool
	}

	mismatchPage struct{ SignedIn, Needed, ReturnTo, Reference string }

	successPage struct {
		User, Provider, Next string
		Before               bool // it was finished earlier
	}

	failurePage struct {
		Heading, Happened, Hint, Next, Why string
		Back, BackText, Reference          string
		Grave                              bool // ours or the provider's fault
	}
)

// views are the parsed templates, by name.
type views map[string]*template.Template

func newViews(s site) views {
	names := []string{"home", "start", "onward", "signin", "mismatch", "success", "failure", "client", "leave"}
	functions := template.FuncMap{"at": s.at, "stylesheet": func() string { return s.at("/assets/pages.css?v=" + digest("assets/pages.css")) }}
	layout := template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/marks.html"))
	v := views{}
	for _, name := range names {
		v[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name+".html"))
	}
	return v
}

// render writes a page. It is made completely before the first byte goes out, so that no half page
// does.
func (v views) render(w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := v[name].Execute(&page, data); err != nil {
		panic("pages: " + err.Error()) // a template that does not fit its data is a mistake of ours
	}
	w.Header().Set("Content-Type", htmlType)
	w.Header().Set("Content-Length", strconv.Itoa(page.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the browser has gone; there is nobody to tell
}

// asset serves an embedded file. Its address changes with its content, so browsers may keep it.
func asset(name, contentType string) http.HandlerFunc {
	content, err := files.ReadFile(name)
	if err != nil {
		panic("pages: " + err.Error())
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Header().Set("Cache-Control", "public, max-age=86400")
		_, _ = w.Write(content)
	}
}

// Assets serves the style sheet and the icon of the pages, for other rooms that look alike: /assets/pages.css and
// /favicon.svg.
func Assets() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /assets/pages.css", asset("assets/pages.css", "text/css; charset=utf-8"))
	mux.Handle("GET /favicon.svg", asset("assets/favicon.svg", "image/svg+xml"))
	return mux
}

func digest(name string) string {
	content, err := files.ReadFile(name)
	if err != nil {
		panic("pages: " + err.Error())
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:6])
}

const scopesAtOnce = 8

func newStartPage(p keybearer.StartPage) startPage {
	page := startPage{
		ID: string(p.Authorization), App: clean(strings.TrimPrefix(p.App, "key:"), 100),
		Provider: clean(p.Provider, 100), Host: p.ProviderHost,
		User: clean(string(p.User), maxUserID), Scopes: describe(p.Scopes),
	}
	if len(page.Scopes) > scopesAtOnce+1 {
		page.Scopes, page.More = page.Scopes[:scopesAtOnce], page.Scopes[scopesAtOnce:]
	}
	return page
}

// hostOf is the host of a URL, for people.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

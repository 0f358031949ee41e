package desk

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keybearer/keybearer"
)

//go:embed templates assets
var files embed.FS

const htmlType = "text/html; charset=utf-8"

// The pages' data. Every text in it is escaped by html/template where it is put in.
type (
	deskPage struct {
		Cards              []card
		Notice, Pending    string
		Installed, Bundled []Offer
		Logged             bool // there are lines in the log
	}

	// card is a connection; with several at one provider their names matter, and which is the default.
	card struct {
		*Connection
		Several bool
	}

	logPage struct {
		Lines []line
		Away  bool
	}

	connectPage struct {
		Offer                       Offer
		Names                       []string // of the connections that there are
		Name, Server, Scopes, Wrong string
	}

	onwardPage struct{ To, Host string }

	waitingPage struct {
		Title, URL, Host string
		Apart            bool
	}

	// failure is a page that says what happened and what to do next.
	failure struct {
		status                int
		title, happened, next string
		back, backText        string
		outside               bool // it is shown to who may not know where the page is
	}

	failurePage struct {
		Heading, Back, BackText string
		Happened, Next          []piece
		Inside                  bool
	}

	// piece is a piece of a sentence: words, or what is typed in.
	piece struct {
		Text string
		Code bool
	}
)

// views are the parsed templates, by name.
type views map[string]*template.Template

func newViews(word string) views {
	functions := template.FuncMap{"at": func(path string) string { return word + path }, "sentence": sentence}
	layout := template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html"))
	v := views{}
	for _, name := range []string{"desk", "log", "connect", "onward", "waiting", "disconnect", "failure"} {
		v[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name+".html"))
	}
	return v
}

// render writes a page. It is made completely before the first byte goes out.
func (v views) render(w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := v[name].Execute(&page, data); err != nil {
		panic("desk: " + err.Error()) // a template that does not fit its data is a mistake of ours
	}
	w.Header().Set("Content-Type", htmlType)
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the browser has gone; there is nobody to tell
}

func (d *Desk) fail(w http.ResponseWriter, f failure) {
	p := failurePage{Heading: f.title, Happened: pieces(f.happened), Next: pieces(f.next), Back: f.back, BackText: f.backText, Inside: !f.outside}
	d.views.render(w, f.status, "failure", p)
}

// failed shows what an error says to people.
func (d *Desk) failed(w http.ResponseWriter, r *http.Request, err error) {
	d.failedAt(w, r, err, "", "")
}

func (d *Desk) failedAt(w http.ResponseWriter, r *http.Request, err error, path, text string) {
	if r.Context().Err() != nil {
		return // the browser has gone
	}
	kind := keybearer.KindOf(err)
	f := failure{status: kind.HTTPStatus(), title: "That did not work", happened: sentence(err.Error()), next: "Try again, or do it at the terminal: `keybearer help` lists the commands."}
	if kind == keybearer.Internal {
		d.cfg.Log.Error("the page could not do what was asked", "path", r.URL.Path, "error", err)
		f.happened = "Something went wrong here. The terminal where `keybearer ui` runs says more."
	}
	if path != "" {
		f.back, f.backText = d.word+path, text
	}
	d.fail(w, f)
}

func (d *Desk) nowhere(w http.ResponseWriter, _ *http.Request) {
	d.fail(w, failure{status: http.StatusNotFound, title: "There is no such page", happened: "This address leads nowhere.", next: "Go back to your connections."})
}

func styleSheet(w http.ResponseWriter, _ *http.Request) {
	text, err := files.ReadFile("assets/desk.css")
	if err != nil {
		panic("desk: " + err.Error())
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(text)
}

// pieces takes a sentence apart at its backquotes.
func pieces(text string) []piece {
	var all []piece
	for i, part := range strings.Split(text, "`") {
		all = append(all, piece{Text: part, Code: i%2 == 1})
	}
	return all
}

// sentence gives a text a capital and a full stop.
func sentence(text string) string {
	first, n := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[n:]
	switch last, _ := utf8.DecodeLastRuneInString(text); last {
	case '.', '!', '?':
		return text
	}
	return text + "."
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return cmp.Or(u.Host, raw)
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// size is a number of bytes in the unit that people read it in.
func size(n int64) string {
	switch {
	case n < 1000:
		return count(n) + " B"
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1000/1000)
}

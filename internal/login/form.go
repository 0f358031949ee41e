package login

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"
	"sync"

	"github.com/keybearer/keybearer"
)

const (
	formPath = "/form/"
	// maxForm bounds what a form brings, in bytes.
	maxForm = 64 << 10
)

//go:embed templates/form.html
var formTemplate string

// Field is one question of a form.
type Field struct {
	Name, Label, Help string
	// Hidden: what is typed is not shown.
	Hidden bool
	// Optional: it may stay empty.
	Optional bool
	Value    string
}

// Form is a page that asks a person for something.
type Form struct {
	Title string
	// Lead are paragraphs above the questions.
	Lead []string
	// Shown is a text to be copied, such as a redirect URI, and ShownAs what it is.
	Shown, ShownAs string
	// Link leads to where the answers are found.
	Link, LinkText string
	Fields         []Field
	// Choices are buttons, of which one sends the form with its value as the answer "choice"; none means one
	// button that stores the answers.
	Choices []Choice
	// Next is where the browser goes on to when the answers are taken, or "".
	Next string
	// Check says what is wrong with the answers; nil takes all.
	Check func(answers map[string]string) error
}

// Choice is a button.
type Choice struct{ Value, Label string }

// asked is a form that waits for its answers.
type asked struct {
	Form
	token string
	once  sync.Once
	done  chan map[string]string
}

// Asking is a form that is being shown at URL.
type Asking struct {
	URL string
	d   *Door
	one *asked
}

// Ask shows a form, under an address that cannot be guessed, until Wait ends.
func (d *Door) Ask(f Form) *Asking {
	one := &asked{Form: f, token: rand.Text(), done: make(chan map[string]string, 1)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forms[one.token] = one
	return &Asking{URL: d.URL() + formPath + one.token, d: d, one: one}
}

// Wait gives the answers, or ctx's end.
func (a *Asking) Wait(ctx context.Context) (map[string]string, error) {
	defer func() {
		a.d.mu.Lock()
		defer a.d.mu.Unlock()
		delete(a.d.forms, a.one.token)
	}()
	select {
	case answers := <-a.one.done:
		return answers, nil
	case <-ctx.Done():
		return nil, keybearer.Errorf(keybearer.AuthorizationEnded, "nobody filled in the form in time (%w): run the login again", context.Cause(ctx))
	}
}

// formPage is what the template shows.
type formPage struct {
	Form
	Action, Wrong string
	Done          bool
}

func (d *Door) form(w http.ResponseWriter, r *http.Request, token string) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	d.mu.Lock()
	one := d.forms[token]
	d.mu.Unlock()
	if one == nil {
		showForm(w, http.StatusNotFound, formPage{Form: Form{Title: "This form is over"}, Done: true})
		return
	}
	page := formPage{Form: one.Form, Action: formPath + token}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		showForm(w, http.StatusOK, page)
	case http.MethodPost:
		answers, wrong := one.read(w, r)
		if wrong != "" {
			page.Wrong = wrong
			showForm(w, http.StatusUnprocessableEntity, page)
			return
		}
		one.once.Do(func() { one.done <- answers })
		showForm(w, http.StatusOK, formPage{Form: Form{Title: "Thank you", Next: one.Next}, Done: true})
	default:
		h.Set("Allow", "GET, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// read takes the answers of a form that our own page sent, or says what is wrong with them.
func (a *asked) read(w http.ResponseWriter, r *http.Request) (map[string]string, string) {
	if http.NewCrossOriginProtection().Check(r) != nil {
		return nil, "The form was sent by a page of another site."
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.ParseForm() != nil {
		return nil, "What was sent could not be read: try again."
	}
	answers := map[string]string{}
	for i := range a.Fields {
		f := &a.Fields[i]
		answer := trim(r.PostForm.Get(f.Name))
		if answer == "" && !f.Optional {
			return nil, f.Label + " is missing."
		}
		answers[f.Name] = answer
	}
	if len(a.Choices) > 0 {
		answers["choice"] = r.PostForm.Get("choice")
	}
	if a.Check != nil {
		if err := a.Check(answers); err != nil {
			return nil, err.Error()
		}
	}
	return answers, ""
}

// trim takes away what copying brings along.
func trim(text string) string { return string(bytes.TrimSpace([]byte(text))) }

func showForm(w http.ResponseWriter, status int, page formPage) {
	var text bytes.Buffer
	if err := template.Must(template.New("form").Parse(formTemplate)).Execute(&text, page); err != nil {
		http.Error(w, "The form cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the browser has gone; there is nobody to tell
}

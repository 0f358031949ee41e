package desk

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	// maxForm bounds what a form brings, in bytes.
	maxForm = 64 << 10
	// firstStep is how long the browser waits for where a login begins, and nextStep for where it goes on.
	firstStep = 10 * time.Second
	nextStep  = 2 * time.Second
)

// connectPage says what connecting a provider means, and asks what it has to know.
func (d *Desk) connectPage(w http.ResponseWriter, r *http.Request) {
	if p, ok := d.offered(w, r); ok {
		d.views.render(w, http.StatusOK, "connect", p)
	}
}

// offered finds the provider that the address names, or answers that there is none.
func (d *Desk) offered(w http.ResponseWriter, r *http.Request) (connectPage, bool) {
	offers, err := d.cfg.Home.Offers(r.Context())
	if err != nil {
		d.failed(w, r, err)
		return connectPage{}, false
	}
	i := slices.IndexFunc(offers, func(o Offer) bool { return o.ID == keybearer.ProviderID(r.PathValue("id")) })
	if i < 0 {
		d.nowhere(w, r)
		return connectPage{}, false
	}
	all, err := d.cfg.Home.Connections(r.Context())
	if err != nil {
		d.failed(w, r, err)
		return connectPage{}, false
	}
	p := connectPage{Offer: offers[i], Server: offers[i].ServerNow}
	for _, c := range all {
		if c.Ref.Provider == p.Offer.ID {
			p.Names = append(p.Names, c.Name)
		}
	}
	return p, true
}

// connect begins a login, and sends the browser where it begins.
func (d *Desk) connect(w http.ResponseWriter, r *http.Request) {
	p, ok := d.offered(w, r)
	if !ok {
		return
	}
	if err := r.ParseForm(); err != nil {
		d.failed(w, r, keybearer.Errorf(keybearer.BadRequest, "what was sent cannot be read (%w): try again", err))
		return
	}
	wish := Wish{
		Provider: p.Offer.ID, Connection: strings.TrimSpace(r.PostForm.Get("name")), Server: strings.TrimSpace(r.PostForm.Get("server")),
		Scopes: strings.FieldsFunc(r.PostForm.Get("scopes"), func(c rune) bool { return c == ',' || c == ' ' }),
		Key:    r.PostForm.Get("how") == "key", Again: r.PostForm.Get("again") != "", Back: d.origin() + d.word + "/back",
	}
	p.Name, p.Server, p.Scopes = wish.Connection, wish.Server, strings.Join(wish.Scopes, " ")
	name, err := keybearer.ConnectionName(wish.Connection)
	switch {
	case err != nil:
		p.Wrong = err.Error()
	case p.Offer.Server && wish.Server == "":
		p.Wrong = "The address of your server is missing."
	}
	if p.Wrong != "" {
		d.views.render(w, http.StatusUnprocessableEntity, "connect", p)
		return
	}
	wish.Connection = name
	u := d.startLogin(wish, p.Offer.Name)
	u.await(r.Context(), firstStep)
	d.goOn(w, r, u)
}

// loginPage is where the login under way is: the next address, the end, or a page that waits.
func (d *Desk) loginPage(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	u := d.login
	d.mu.Unlock()
	if u == nil {
		d.seeOther(w, "/")
		return
	}
	u.await(r.Context(), nextStep)
	d.goOn(w, r, u)
}

// goOn sends the browser to the login's next address in a page of its own. A redirect would not arrive: Chrome
// applies the form-action of our policy to every redirect that follows a form.
func (d *Desk) goOn(w http.ResponseWriter, r *http.Request, u *underway) {
	step, fresh, done, err := u.state()
	switch {
	case done && err != nil:
		d.forget(u)
		d.failedAt(w, r, err, "/connect/"+string(u.wish.Provider), "Try again")
	case done:
		d.forget(u)
		d.say(u.title() + " is connected.")
		d.seeOther(w, "/")
	case fresh && !step.Apart:
		d.views.render(w, http.StatusOK, "onward", onwardPage{To: step.URL, Host: hostOf(step.URL)})
	default:
		d.views.render(w, http.StatusOK, "waiting", waitingPage{Title: u.title(), URL: step.URL, Host: hostOf(step.URL), Apart: step.Apart})
	}
}

func (d *Desk) cancelLogin(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	u := d.login
	d.mu.Unlock()
	if u != nil {
		d.cancel(u)
		d.say("Nothing was connected.")
	}
	d.seeOther(w, "/")
}

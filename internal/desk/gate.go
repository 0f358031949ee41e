package desk

import (
	"crypto/rand"
	"crypto/subtle"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

const (
	enterPath  = "/enter/"
	cookieName = "keybearer-desk"
)

// gate lets in one browser: the one that came first with the ticket.
//
// The person is whoever got the address of the command, through the browser that it opened or from its terminal. A
// program under `keybearer run` reaches this port like any other of loopback, and gets nowhere: it has no cookie,
// and the ticket is spent as soon as the browser has come. Browsers, however, send a host's cookies to all of its
// ports, so a server that such a program opens on 127.0.0.1 would get ours when the person looks at it. That is why
// the cookie holds for a path only, below a word that is drawn at each start and that no other server knows.
type gate struct {
	word, ticket, cookie string

	mu    sync.Mutex
	spent bool
}

func newGate(word string) *gate {
	return &gate{word: word, ticket: rand.Text() + rand.Text(), cookie: rand.Text() + rand.Text()}
}

// spend takes the ticket, and reports whether it is the right one and was not taken before.
func (g *gate) spend(ticket string) bool {
	if subtle.ConstantTimeCompare([]byte(ticket), []byte(g.ticket)) != 1 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	first := !g.spent
	g.spent = true
	return first
}

// admitted reports whether a request brings the cookie. Another server on this machine can plant cookies of the same name
// beside it, so one of them has to be right.
func (g *gate) admitted(r *http.Request) bool {
	for _, c := range r.CookiesNamed(cookieName) {
		if subtle.ConstantTimeCompare([]byte(c.Value), []byte(g.cookie)) == 1 {
			return true
		}
	}
	return false
}

// holders lets those in who hold the cookie.
func (g *gate) holders(in, out http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.admitted(r) {
			out(w, r)
			return
		}
		in(w, r)
	})
}

// policy is the content security policy: our own style sheets, pictures and forms, and the log in a frame of ours;
// no script, nothing from elsewhere.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"

// guarded refuses what no page of ours sends. Whoever does not call this machine by its address comes from a page of
// another site that made its own name lead here (DNS rebinding).
func (d *Desk) guarded(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	port := strconv.Itoa(d.port())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin") // the forms of browsers that send no Sec-Fetch-Site need their Origin
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "SAMEORIGIN")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		if r.Host != net.JoinHostPort(host, port) && r.Host != net.JoinHostPort("localhost", port) {
			http.Error(w, "This address is for this machine only.", http.StatusMisdirectedRequest)
			return
		}
		if protection.Check(r) != nil {
			d.fail(w, failure{
				status: http.StatusForbidden, title: "This was not sent from here",
				happened: "A page of another site, or of another program on this machine, has sent this form. Nothing was done.",
				next:     "Go back to your connections, and use the buttons there.",
				outside:  true,
			})
			return
		}
		leave, ok := d.enterable()
		if !ok {
			http.Error(w, "The page has ended: start `keybearer ui` again.", http.StatusServiceUnavailable)
			return
		}
		defer leave()
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// enter changes the ticket for the cookie. Only a person spends it: link previews and browsers that load ahead do not.
func (d *Desk) enter(w http.ResponseWriter, r *http.Request) {
	purpose := r.Header.Get("Sec-Purpose") + r.Header.Get("Purpose")
	switch {
	case r.Method == http.MethodHead:
		w.WriteHeader(http.StatusNoContent)
	case strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "preview"):
		w.WriteHeader(http.StatusServiceUnavailable)
	case d.gate.spend(r.PathValue("ticket")):
		d.touch()
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: d.gate.cookie, Path: d.word + "/",
			HttpOnly: true, SameSite: http.SameSiteStrictMode, // Secure cannot be: this is plain http, which never leaves the machine
		})
		d.seeOther(w, "/")
	default:
		d.stranger(w, r)
	}
}

// stranger answers who has no cookie. The word is not in the answer.
func (d *Desk) stranger(w http.ResponseWriter, _ *http.Request) {
	d.fail(w, failure{
		status: http.StatusForbidden, title: "This page is somebody's own",
		happened: "Only the browser that opened the address of `keybearer ui` first sees it, and that address works once.",
		next:     "If you are that person: stop the command with Ctrl-C, and start it again. If your browser never got in, another program on this machine was faster: look at your connections with `keybearer list`.",
		outside:  true,
	})
}

// back is where a login ends. The browser comes from the provider's site, from where it brings no strict cookie; from
// this page it does.
func (d *Desk) back(w http.ResponseWriter, _ *http.Request) {
	d.views.render(w, http.StatusOK, "onward", onwardPage{To: d.word + "/login"})
}

// seeOther sends the browser to one of our pages, with GET.
func (d *Desk) seeOther(w http.ResponseWriter, path string) {
	w.Header().Set("Location", d.word+path)
	w.WriteHeader(http.StatusSeeOther)
}

package pages

import (
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
)

// Config is what the door is made of.
type Config struct {
	// Broker does the work. Needed.
	Broker *keybearer.Broker
	// PublicURL is where browsers reach the engine: "https://keys.example.com", or with a path where a
	// reverse proxy gives the engine only a part of a host. It is the Broker's own PublicURL. Needed.
	PublicURL string
	// Back is where the pages of failures lead that know nowhere better, and BackText what it is; "" means nowhere.
	Back, BackText string
	// Log takes each failure that a person was shown, under the reference that the page shows; nil
	// means nowhere.
	Log *slog.Logger
	// ClientAddr tells whose request it is, for the limit on sign-ins; nil means the peer's address.
	// Behind a reverse proxy it may read a header that the proxy is trusted to set.
	ClientAddr func(*http.Request) netip.Addr
	// Now is the clock of that limit; nil means time.Now.
	Now func() time.Time
}

// door is the handler's world.
type door struct {
	broker   *keybearer.Broker
	site     site
	views    views
	log      *slog.Logger
	signIns  *limiter
	clientOf func(*http.Request) netip.Addr

	back, backText string
}

// New makes the handler. It is safe for concurrent use. A PublicURL that is not an absolute http or
// https URL is a programmer's mistake and panics.
func New(cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.ClientAddr == nil {
		cfg.ClientAddr = peerAddr
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := newSite(cfg.PublicURL)
	d := &door{
		broker: cfg.Broker, site: s, views: newViews(s), log: cfg.Log,
		signIns: newLimiter(cfg.Now), clientOf: cfg.ClientAddr, back: cfg.Back, backText: cfg.BackText,
	}
	return d.routes()
}

// methods says what a path does; HEAD is answered like GET, without a body, unless it is named.
type methods map[string]http.HandlerFunc

func (d *door) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, m methods) { mux.Handle(path, d.only(m)) }

	handle("/{$}", methods{"GET": d.home})
	handle("/start/{id}", methods{"HEAD": d.nothing, "GET": d.startPage, "POST": d.sameOrigin(d.start)})
	callback := methods{"HEAD": d.nothing, "GET": d.callback, "POST": d.postedCallback}
	handle("/api/v1/oauth/callback", callback)
	handle("/api/v1/oauth/{redirect_id}/callback", callback)
	handle("/verify/{id}", methods{"HEAD": d.nothing, "GET": d.verify, "POST": d.sameOrigin(d.verifySignIn)})
	handle("/login", methods{"GET": d.loginPage, "POST": d.sameOrigin(d.login)})
	handle("/logout", methods{"POST": d.sameOrigin(d.logout)})
	handle("/oauth/authorize", methods{"HEAD": d.nothing, "GET": d.client, "POST": d.sameOrigin(d.clientDecision)})
	handle("/success", methods{"GET": d.success})
	handle("/assets/pages.css", methods{"GET": asset("assets/pages.css", "text/css; charset=utf-8")})
	handle("/favicon.svg", methods{"GET": asset("assets/favicon.svg", "image/svg+xml")})
	mux.HandleFunc("/", d.notFound)
	return d.guarded(d.site.below(mux))
}

// only dispatches by method, with a page for the rest.
func (d *door) only(m methods) http.Handler {
	allowed := make([]string, 0, len(m)+1)
	for method := range m {
		allowed = append(allowed, method)
	}
	if m["GET"] != nil && m["HEAD"] == nil {
		allowed = append(allowed, "HEAD")
	}
	slices.Sort(allowed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, ok := m[r.Method]
		if !ok && r.Method == http.MethodHead {
			h, ok = m[http.MethodGet]
		}
		if !ok {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			d.show(w, r, failure{
				status: http.StatusMethodNotAllowed, title: "That does not work here",
				happened: "This address does not answer to the method " + clean(r.Method, 20) + ".",
				next:     "Go back, and follow the link that your app gave you once more.",
			})
			return
		}
		h(w, r)
	})
}

// nothing answers HEAD where GET would do something: link previews and mail scanners send it.
func (d *door) nothing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", htmlType)
	w.WriteHeader(http.StatusOK)
}

func (d *door) notFound(w http.ResponseWriter, r *http.Request) {
	d.show(w, r, failure{
		status: http.StatusNotFound, title: "There is no such page",
		happened: "This address leads nowhere.",
		next:     "Check the link: it may have been cut off when it was copied.",
	})
}

func (d *door) home(w http.ResponseWriter, r *http.Request) {
	account, err := d.signedIn(r)
	if err != nil && !isNotFound(err) {
		d.fail(w, r, err)
		return
	}
	d.views.render(w, http.StatusOK, "home", homePage{User: string(account.User), Docs: d.site.at("/v1/swagger")})
}

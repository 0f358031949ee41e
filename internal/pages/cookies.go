package pages

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// The cookies, without the prefix of [site.cookieName].
const (
	browserCookie = "keybearer"         // the secret that binds flows to this browser
	sessionCookie = "keybearer-session" // a signed-in account
	flowsCookie   = "keybearer-flows"   // flows that came back from the provider into this browser
	doneCookie    = "keybearer-done"    // what the success page says
)

const maxUserID = 256 // characters of a user id that are shown

const (
	browserLife = 60 * 60 // seconds, renewed at each start; a flow lives as long
	doneLife    = 10 * 60
)

// cookieName adds the prefix by which a browser refuses a cookie that another host planted. Below a
// path the stronger "__Host-" cannot be had, because it wants the path "/".
func (s site) cookieName(name string) string {
	switch {
	case !s.secure:
		return name
	case s.prefix != "":
		return "__Secure-" + name
	}
	return "__Host-" + name
}

func (s site) cookiePath() string {
	if s.prefix == "" {
		return "/"
	}
	return s.prefix
}

// setCookie sets a cookie for this host alone. life is in seconds: 0 means until the browser closes,
// below 0 deletes it. Lax, not Strict: the browser has to bring it when the provider sends it back.
func (s site) setCookie(w http.ResponseWriter, name, value string, life int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(name), Value: value, Path: s.cookiePath(), MaxAge: life,
		HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	})
}

// cookie gives the value of a cookie, or "". Two of one name are none: one of them was planted from
// a neighbouring host or path, and nothing tells which.
func (s site) cookie(r *http.Request, name string) string {
	all := r.CookiesNamed(s.cookieName(name))
	if len(all) != 1 {
		return ""
	}
	return all[0].Value
}

// browser gives the secret of the browser, and whether it brought one.
func (s site) browser(r *http.Request) (secret.String, bool) { return s.secretCookie(r, browserCookie) }

func (s site) secretCookie(r *http.Request, name string) (secret.String, bool) {
	const shortest, longest = 32, 128
	value := s.cookie(r, name)
	if len(value) < shortest || len(value) > longest || !isID(value) {
		return secret.String{}, false
	}
	return secret.New(value), true
}

// keepBrowser gives the browser's secret, a new one if it brought none, and (re)news the cookie.
func (s site) keepBrowser(w http.ResponseWriter, r *http.Request) secret.String {
	browser, ok := s.browser(r)
	if !ok {
		browser = keybearer.NewBrowserSecret()
	}
	s.setCookie(w, browserCookie, browser.Reveal(), browserLife)
	return browser
}

const maxCameBack = 5

// visit is a flow that this browser brought back from a provider. The verify page asks for it: else
// somebody could consent himself in a flow for another user, and send that user the link.
type visit struct {
	Flow     keybearer.FlowID `json:"f"`
	User     string           `json:"u"` // who the flow was started for
	Provider string           `json:"p"`
}

// visits lists what this browser brought back, latest first.
func (s site) visits(r *http.Request) []visit {
	var all []visit
	if !s.jsonCookie(r, flowsCookie, &all) {
		return nil
	}
	for i := range all {
		all[i].User, all[i].Provider = clean(all[i].User, maxUserID), clean(all[i].Provider, 100)
	}
	return all[:min(len(all), maxCameBack)]
}

// keepVisit remembers one more, and forgets the oldest beyond maxCameBack.
func (s site) keepVisit(w http.ResponseWriter, r *http.Request, latest visit) {
	earlier := slices.DeleteFunc(s.visits(r), func(v visit) bool { return v.Flow == latest.Flow })
	latest.Provider = clean(latest.Provider, 100)
	all := append([]visit{latest}, earlier...)
	for n := min(len(all), maxCameBack); n > 0; n-- {
		if s.setJSONCookie(w, flowsCookie, all[:n], browserLife) {
			return
		}
	}
}

// done is what the success page says. It travels in a cookie and not in the URL, so that nobody can
// make a link to a page of ours that says what he likes.
type done struct {
	User     string `json:"user"`
	Provider string `json:"provider"`
}

func (s site) setDone(w http.ResponseWriter, d done) {
	d.Provider = clean(d.Provider, 100)
	s.setJSONCookie(w, doneCookie, d, doneLife) // the page can do without
}

func (s site) done(r *http.Request) done {
	var d done
	if !s.jsonCookie(r, doneCookie, &d) {
		return done{}
	}
	return done{User: clean(d.User, maxUserID), Provider: clean(d.Provider, 100)}
}

// setJSONCookie keeps a small value in the browser. It is not signed: the person at the browser may
// know it and may change it. It is not set, and false returned, when browsers would not keep it.
func (s site) setJSONCookie(w http.ResponseWriter, name string, value any, life int) bool {
	const longest = 3800 // RFC 6265 section 6.1 grants 4096 with name and attributes
	text, err := json.Marshal(value)
	encoded := base64.RawURLEncoding.EncodeToString(text)
	if err != nil || len(encoded) > longest {
		return false
	}
	s.setCookie(w, name, encoded, life)
	return true
}

func (s site) jsonCookie(r *http.Request, name string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(s.cookie(r, name))
	return err == nil && json.Unmarshal(text, into) == nil
}

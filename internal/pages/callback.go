package pages

import (
	"io"
	"mime"
	"net/http"

	"github.com/keybearer/keybearer"
)

// callback is where the provider sends the browser back.
func (d *door) callback(w http.ResponseWriter, r *http.Request) {
	params, err := readParams(r.URL.RawQuery)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	redirectID := r.PathValue("redirect_id")
	if len(redirectID) > maxOwnPath {
		d.notFound(w, r)
		return
	}
	browser, ok := d.site.browser(r)
	if !ok {
		// The Broker still has to hear of it, so that the state is spent and the audit knows; a fresh
		// secret is no browser's.
		browser = keybearer.NewBrowserSecret()
	}
	landing, err := d.broker.Visitor(browser).Complete(r.Context(), callbackOf(redirectID, params))
	if err != nil {
		d.failed(w, r, err, callbackHint(err, ok, d.site.host))
		return
	}
	d.land(w, r, landing, func(to string) { seeOther(w, to) })
}

// callbackHint adds what only the door knows.
func callbackHint(err error, hadCookie bool, host string) string {
	if hadCookie || keybearer.KindOf(err) != keybearer.BadRequest {
		return ""
	}
	return "This browser brought none of our cookies: use one browser for the whole way, and allow cookies for " + host + "."
}

// land ends the way through the provider: at the app, at the built-in verifier, or at our own
// success page. leave goes to another site.
func (d *door) land(w http.ResponseWriter, r *http.Request, l keybearer.Landing, leave func(url string)) {
	switch {
	case l.Redirect != "":
		leave(l.Redirect)
	case l.SignIn:
		d.site.keepVisit(w, r, visit{Flow: l.Flow, User: string(l.User), Provider: l.Provider})
		seeOther(w, d.site.at("/verify/"+string(l.Flow)))
	default:
		d.site.setDone(w, done{User: string(l.User), Provider: l.Provider})
		seeOther(w, d.site.at("/success"))
	}
}

// postedCallback takes an answer in the form post response mode. It comes from the provider's page,
// so the browser leaves our Lax cookies at home; a redirect to the same address with GET is a
// navigation of its own, and brings them.
func (d *door) postedCallback(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		d.fail(w, r, keybearer.Errorf(keybearer.UnsupportedMedia, "the provider's answer is not a form"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxParams))
	if err != nil {
		d.fail(w, r, keybearer.Errorf(keybearer.TooLarge, "the provider's answer is longer than %d bytes, or broke off", maxParams))
		return
	}
	params, err := readParams(string(body))
	if err != nil {
		d.fail(w, r, err)
		return
	}
	seeOther(w, d.site.at(r.URL.EscapedPath())+"?"+params.Encode())
}

// success is the end of the way where the app named no address of its own.
func (d *door) success(w http.ResponseWriter, r *http.Request) {
	told := d.site.done(r)
	d.views.render(w, http.StatusOK, "success", successPage{User: told.User, Provider: told.Provider})
}

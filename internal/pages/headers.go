package pages

import (
	"net/http"
	"strings"

	"github.com/keybearer/keybearer"
)

const htmlType = "text/html; charset=utf-8"

// policy is the content security policy of every answer: our own style sheet, our own pictures and
// those in the page, our own forms; no script, no frame, nothing from elsewhere.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guarded puts the security headers on every answer, errors and redirects included.
func (d *door) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		next.ServeHTTP(w, r)
	})
}

// withForm prepares the answer for a page that has a form. Under "no-referrer" browsers send the
// form with "Origin: null". That does no harm where they send Sec-Fetch-Site too, which they do to
// https and to this machine only: on plain http in a local network nothing would be left to tell
// our own form from a foreign one. There the referrer goes to our own pages, and still to nobody else.
func (d *door) withForm(w http.ResponseWriter) {
	if !d.site.secure {
		w.Header().Set("Referrer-Policy", "same-origin")
	}
}

// sameOrigin refuses posts that other sites' pages make.
func (d *door) sameOrigin(next http.HandlerFunc) http.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	// A reverse proxy may change the Host header, which the Origin is otherwise compared with.
	if err := protection.AddTrustedOrigin(d.site.origin); err != nil {
		panic("pages: " + err.Error())
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			d.fail(w, r, keybearer.Errorf(keybearer.PermissionDenied, "the form was sent by a page of another site"))
			return
		}
		next(w, r)
	}
}

// refusePrefetch answers requests that a browser makes ahead of the person, and reports whether it
// did: only a person may begin a flow. A status that is no success makes the browser ask again when
// the person really goes there.
func refusePrefetch(w http.ResponseWriter, r *http.Request) bool {
	purpose := r.Header.Get("Sec-Purpose") + r.Header.Get("Purpose")
	if !strings.Contains(purpose, "prefetch") && !strings.Contains(purpose, "preview") {
		return false
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	return true
}

// topLevel reports whether the request is for a page in a tab of its own, as far as the browser
// says: not for a frame or a picture of another page.
func topLevel(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return dest == "" || dest == "document"
}

// seeOther sends the browser on, with GET. Unlike http.Redirect it writes no page, which would hold
// the state parameter.
func seeOther(w http.ResponseWriter, url string) {
	w.Header().Set("Location", url)
	w.WriteHeader(http.StatusSeeOther)
}

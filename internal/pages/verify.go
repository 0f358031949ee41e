package pages

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/keybearer/keybearer"
)

// verify is the built-in verifier: whoever is signed in in this browser is who consented.
func (d *door) verify(w http.ResponseWriter, r *http.Request) {
	v, ok := d.visitOf(w, r)
	if !ok {
		return
	}
	account, err := d.signedIn(r)
	switch {
	case isNotFound(err):
		d.askToSignIn(w, r, d.verifierSignIn(v))
	case err != nil:
		d.fail(w, r, err)
	default:
		d.confirm(w, r, v, account.User, func(to string) { seeOther(w, to) })
	}
}

// verifySignIn is the sign-in form of the verifier.
func (d *door) verifySignIn(w http.ResponseWriter, r *http.Request) {
	v, ok := d.visitOf(w, r)
	if !ok {
		return
	}
	if user, ok := d.signIn(w, r, d.verifierSignIn(v)); ok {
		d.confirm(w, r, v, user, func(to string) { d.goOn(w, to) })
	}
}

func (d *door) verifierSignIn(v visit) signInPage {
	return signInPage{Action: d.site.at(verifyPath(v)), Provider: v.Provider, User: v.User}
}

func (d *door) confirm(w http.ResponseWriter, r *http.Request, v visit, user keybearer.UserID, leave func(string)) {
	landing, err := d.broker.Visitor(d.site.keepBrowser(w, r)).ConfirmSignedIn(r.Context(), v.Flow, user)
	switch {
	case err == nil:
		d.land(w, r, landing, leave)
	case errors.Is(err, keybearer.UserMismatch):
		ref := reference()
		status := keybearer.UserMismatch.HTTPStatus()
		d.note(r, status, ref, err)
		d.withForm(w)
		d.views.render(w, status, "mismatch", mismatchPage{
			SignedIn: clean(string(user), maxUserID), Needed: v.User, ReturnTo: verifyPath(v), Reference: ref,
		})
	default:
		d.fail(w, r, err)
	}
}

// visitOf gives the flow of the path, if it came back from the provider into this browser.
func (d *door) visitOf(w http.ResponseWriter, r *http.Request) (visit, bool) {
	id := keybearer.FlowID(r.PathValue("id"))
	if !isID(string(id)) || !strings.HasPrefix(string(id), "af_") {
		d.notFound(w, r)
		return visit{}, false
	}
	all := d.site.visits(r)
	if i := slices.IndexFunc(all, func(v visit) bool { return v.Flow == id }); i >= 0 {
		return all[i], true
	}
	d.fail(w, r, keybearer.Errorf(keybearer.BadRequest, "this browser is not the one that came back from the provider"))
	return visit{}, false
}

func verifyPath(v visit) string { return "/verify/" + string(v.Flow) }

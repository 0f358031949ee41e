package pages

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

const (
	maxForm     = 8 << 10 // bytes of a form of ours
	maxPassword = 500     // bytes; the Broker sets none longer
)

// loginPage is the sign-in form.
func (d *door) loginPage(w http.ResponseWriter, r *http.Request) {
	d.askToSignIn(w, r, signInPage{Action: d.site.at("/login"), ReturnTo: returnTo(r.URL.Query().Get("return_to"))})
}

// login is the button of the sign-in form.
func (d *door) login(w http.ResponseWriter, r *http.Request) {
	if !d.readForm(w, r) {
		return
	}
	back := returnTo(r.PostForm.Get("return_to"))
	if _, ok := d.signIn(w, r, signInPage{Action: d.site.at("/login"), ReturnTo: back}); !ok {
		return
	}
	if back == "/" {
		seeOther(w, d.site.at("/"))
		return
	}
	// The page there may lead to another site: see goOn.
	d.goOn(w, d.site.at(back))
}

// logout signs out, and goes to return_to.
func (d *door) logout(w http.ResponseWriter, r *http.Request) {
	if !d.readForm(w, r) {
		return
	}
	if err := d.endSession(r); err != nil {
		d.fail(w, r, err)
		return
	}
	d.site.setCookie(w, sessionCookie, "", -1)
	seeOther(w, d.site.at(returnTo(r.PostForm.Get("return_to"))))
}

// signIn tries the user id and password of the form. If they are wrong it shows page again. It says
// the same whether there is no such user or the password is another.
func (d *door) signIn(w http.ResponseWriter, r *http.Request, page signInPage) (keybearer.UserID, bool) {
	if !d.readForm(w, r) {
		return "", false
	}
	page.User = clean(r.PostForm.Get("user_id"), maxUserID)
	if wait, ok := d.signIns.allow(d.clientOf(r)); !ok {
		d.fail(w, r, tooMany(wait))
		return "", false
	}
	user := keybearer.UserID(r.PostForm.Get("user_id"))
	password := r.PostForm.Get("password")
	if keybearer.CheckUserID(user) != nil || password == "" || len(password) > maxPassword {
		d.askAgain(w, r, page)
		return "", false
	}
	session, err := d.open(r.Context(), user, secret.New(password))
	switch {
	case errors.Is(err, keybearer.Unauthenticated):
		d.askAgain(w, r, page)
		return "", false
	case err != nil:
		d.fail(w, r, err)
		return "", false
	}
	// The old session ends here; that storage could not forget it is no reason to refuse the new one.
	if err := d.endSession(r); err != nil {
		d.note(r, 0, "", err)
	}
	d.site.setCookie(w, sessionCookie, session.Reveal(), 0)
	return user, true
}

// open opens a session, when it is its turn.
func (d *door) open(ctx context.Context, user keybearer.UserID, password secret.String) (secret.String, error) {
	leave, err := d.signIns.sit(ctx)
	if err != nil {
		return secret.String{}, err
	}
	defer leave()
	return d.broker.SignIn(ctx, user, password)
}

func (d *door) askToSignIn(w http.ResponseWriter, _ *http.Request, page signInPage) {
	d.withForm(w)
	d.views.render(w, http.StatusOK, "signin", page)
}

func (d *door) askAgain(w http.ResponseWriter, _ *http.Request, page signInPage) {
	page.Wrong = true
	d.withForm(w)
	d.views.render(w, keybearer.Unauthenticated.HTTPStatus(), "signin", page)
}

// signedIn tells whose session the browser has; NotFound when it has none.
func (d *door) signedIn(r *http.Request) (keybearer.Account, error) {
	session, ok := d.site.secretCookie(r, sessionCookie)
	if !ok {
		return keybearer.Account{}, keybearer.NotFound
	}
	return d.broker.SignedIn(r.Context(), session)
}

// endSession ends the session that the browser has, if any.
func (d *door) endSession(r *http.Request) error {
	session, ok := d.site.secretCookie(r, sessionCookie)
	if !ok {
		return nil
	}
	if err := d.broker.SignOut(r.Context(), session); err != nil && !isNotFound(err) {
		return err
	}
	return nil
}

// readForm reads a form of ours, and answers if it cannot. It may be called again.
func (d *door) readForm(w http.ResponseWriter, r *http.Request) bool {
	if r.PostForm != nil {
		return true
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		d.fail(w, r, keybearer.Errorf(keybearer.BadRequest, "the form cannot be read: it is broken or longer than %d bytes", maxForm))
		return false
	}
	return true
}

// returnTo is where a sign-in goes on: a path of ours, or "/".
func returnTo(path string) string {
	if !ownPath(path) {
		return "/"
	}
	return path
}

func isNotFound(err error) bool { return errors.Is(err, keybearer.NotFound) }

func tooMany(wait time.Duration) error {
	err := keybearer.Errorf(keybearer.RateLimited, "there were too many attempts to sign in")
	err.RetryAfter = wait
	return err
}

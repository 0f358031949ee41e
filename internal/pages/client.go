package pages

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// clientPage asks whether a client may use the tools as the person who is signed in.
type clientPage struct {
	Client, Back, Resource, User, Action string
}

// clientRequest reads a client's request, and answers where it is none.
func (d *door) clientRequest(w http.ResponseWriter, r *http.Request) (req keybearer.ClientRequest, c keybearer.RegisteredClient, ok bool) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxClientQuery {
		d.fail(w, r, keybearer.Errorf(keybearer.BadRequest, "the client's request cannot be read: it is broken, or too long"))
		return req, c, false
	}
	for name, values := range q {
		if len(values) > 1 {
			d.fail(w, r, keybearer.Errorf(keybearer.BadRequest, "the client sent %s more than once", clean(name, 40)))
			return req, c, false
		}
	}
	req = keybearer.ClientRequest{
		ResponseType: q.Get("response_type"), Client: q.Get("client_id"), RedirectURI: q.Get("redirect_uri"), State: q.Get("state"),
		Challenge: q.Get("code_challenge"), ChallengeMethod: q.Get("code_challenge_method"), Resource: q.Get("resource"),
	}
	c, err = d.broker.CheckClientRequest(r.Context(), &req)
	// Anybody can register a client, so only a person who is signed in is led to its address by a mere link (RFC 9700 section 4.11.2).
	if refused, is := errors.AsType[*keybearer.ClientError](err); is && refused.Redirect && d.somebody(r) {
		d.leave(w, req.Answer(d.broker.Issuer(), secret.String{}, refused))
		return req, c, false
	}
	if err != nil {
		d.fail(w, r, err)
		return req, c, false
	}
	return req, c, true
}

// somebody reports whether a person is signed in.
func (d *door) somebody(r *http.Request) bool {
	_, err := d.signedIn(r)
	return err == nil
}

// maxClientQuery bounds a client's request, in bytes.
const maxClientQuery = 8 << 10

// client is the page at which a client of the MCP address asks to be let in.
func (d *door) client(w http.ResponseWriter, r *http.Request) {
	req, c, ok := d.clientRequest(w, r)
	if !ok {
		return
	}
	account, err := d.signedIn(r)
	switch {
	case isNotFound(err):
		d.askToSignIn(w, r, signInPage{Action: d.clientAction(r), Provider: clean(c.Name, 100)})
	case err != nil:
		d.fail(w, r, err)
	default:
		d.askForClient(w, r, req, c, account.User)
	}
}

// clientAction is where the forms go: the same request.
func (d *door) clientAction(r *http.Request) string {
	return d.site.at("/oauth/authorize") + "?" + r.URL.RawQuery
}

func (d *door) askForClient(w http.ResponseWriter, r *http.Request, req keybearer.ClientRequest, c keybearer.RegisteredClient, user keybearer.UserID) {
	d.withForm(w)
	d.views.render(w, http.StatusOK, "client", clientPage{
		Client: clean(c.Name, 100), Back: clean(whereTo(req.RedirectURI), 200), Resource: req.Resource, User: clean(string(user), maxUserID), Action: d.clientAction(r),
	})
}

// whereTo is the place of an address, for people: its host, or the scheme that a system finds a program by.
func whereTo(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		return u.Host
	}
	return u.Scheme + "://" + u.Host
}

// clientDecision is a button of that page, or of the sign-in before it.
func (d *door) clientDecision(w http.ResponseWriter, r *http.Request) {
	req, c, ok := d.clientRequest(w, r)
	if !ok || !d.readForm(w, r) {
		return
	}
	decision := r.PostForm.Get("decision")
	if decision == "" { // the sign-in form: the next page asks
		if user, ok := d.signIn(w, r, signInPage{Action: d.clientAction(r), Provider: clean(c.Name, 100)}); ok {
			d.askForClient(w, r, req, c, user)
		}
		return
	}
	account, err := d.signedIn(r)
	switch {
	case isNotFound(err):
		d.askToSignIn(w, r, signInPage{Action: d.clientAction(r), Provider: clean(c.Name, 100)})
		return
	case err != nil:
		d.fail(w, r, err)
		return
	}
	if decision != "allow" {
		d.broker.RefuseClient(req, account.User)
		d.leave(w, req.Answer(d.broker.Issuer(), secret.String{}, &keybearer.ClientError{Code: "access_denied", Description: "the user did not let the client in"}))
		return
	}
	code, err := d.broker.AllowClient(r.Context(), req, account.User)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	d.leave(w, req.Answer(d.broker.Issuer(), code, nil))
}

// leave sends the browser to a client's redirect URI, which was checked. A page does it, since the policy of ours lets forms lead
// to ourselves only, and html/template knows no schemes of programs' own.
func (d *door) leave(w http.ResponseWriter, to string) {
	d.views.render(w, http.StatusOK, "leave", leavePage{Link: template.URL(to), Where: clean(strings.TrimSuffix(whereTo(to), "://"), 200)}) // checked when the client registered
}

// leavePage leads to a client.
type leavePage struct {
	Link  template.URL
	Where string
}

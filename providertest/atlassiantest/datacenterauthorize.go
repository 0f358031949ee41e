package atlassiantest

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// linkRequest is an authorization request that passed the checks and waits for
// a person.
type linkRequest struct {
	tx, token string // names it in the forms; guards them against forgery
	link      Link
	redirect  string
	state     string
	scope     string
	challenge string
	plain     bool
	user      User
	expires   time.Time
}

// xsrfCookie has to agree with the consent form's field atl_token.
const xsrfCookie = "atl.xsrf.token"

// authorize checks a request. Who the client is and where it lives has to be
// right before anything is sent back to it.
func (s *DataCenter) authorize(c *providertest.Call) *providertest.Answer {
	if c.Unreadable != "" || len(c.Repeated) > 0 {
		return s.trouble(c, "unreadable", "The parameters could not be read or came twice: "+strings.Join(c.Repeated, ", "))
	}
	link, known := s.link(c.Get("client_id"))
	redirect := c.Get("redirect_uri")
	switch {
	case !known:
		return s.trouble(c, "client_unknown", "There is no application link with this client_id.")
	case !slices.Contains(link.Redirects, redirect):
		return s.trouble(c, "redirect_mismatch", "The redirect_uri is not exactly one of the application link. Registered: "+strings.Join(link.Redirects, " "))
	case s.config.RedirectHTTPS && !strings.HasPrefix(redirect, "https://"):
		return s.trouble(c, "redirect_https", "The redirect_uri must use HTTPS, unless the administrator lifts that rule.")
	}
	r := &linkRequest{
		link: link, redirect: redirect, state: c.Get("state"), scope: c.Get("scope"),
		challenge: c.Get("code_challenge"), expires: s.Now().Add(10 * time.Minute),
	}
	if c.Get("response_type") != "code" {
		return s.sendBack(c, r, "unsupported_response_type", "The response_type must be code.")
	}
	if want := s.config.rank(s.config.highest(r.scope)); want == 0 || want > s.config.rank(link.Scope) {
		if s.config.ScopeRefusal == "page" {
			return s.trouble(c, "invalid_scope", "invalid_scope: the scope is not one of READ, WRITE, ADMIN and SYSTEM_ADMIN, or is above "+link.Scope+", which the application link allows.")
		}
		return s.sendBack(c, r, "invalid_scope", "The requested scope is invalid, unknown, or malformed.")
	}
	switch c.Get("code_challenge_method") {
	case "S256":
	case "plain", "":
		r.plain = true
	default:
		return s.sendBack(c, r, "invalid_request", "The code_challenge_method must be S256 or plain.")
	}
	return s.askOrDecide(c, r)
}

// highest is the scope of a list that includes the others, or empty if one of
// them does not exist.
func (c *DataCenterConfig) highest(scopes string) string {
	var top string
	for _, scope := range strings.Fields(scopes) {
		switch {
		case c.rank(scope) == 0:
			return ""
		case c.rank(scope) > c.rank(top):
			top = scope
		}
	}
	return top
}

// askOrDecide sends the person to the login page, or lets the machine click.
func (s *DataCenter) askOrDecide(c *providertest.Call, r *linkRequest) *providertest.Answer {
	decision := s.Decision()
	if decision.Answer == "" || decision.Answer == "ask" {
		r.tx, r.token = rand.Text(), rand.Text()
		s.pending.Put(r.tx, r)
		c.Record.Outcome = providertest.Asked
		return s.goTo("/login.jsp", r.tx)
	}
	user, ok := s.user(decision.User)
	switch {
	case !ok && decision.User != "":
		return s.trouble(c, "account_unknown", "The decision names a user that does not exist.")
	case !ok:
		user = s.config.Users[0]
	}
	r.user = user
	if decision.Answer == "decline" {
		return s.decline(c, r)
	}
	return s.accept(c, r)
}

// goTo redirects to another page of the product.
func (s *DataCenter) goTo(path, tx string) *providertest.Answer {
	return &providertest.Answer{Status: http.StatusFound, Header: http.Header{
		"Location": {s.config.ContextPath + path + "?tx=" + url.QueryEscape(tx)}, "Cache-Control": {"no-store"},
	}}
}

// login is the product's login page; without a request that waits it leads
// nowhere.
func (s *DataCenter) login(c *providertest.Call) *providertest.Answer {
	r, answer := s.waiting(c)
	if answer != nil {
		return answer
	}
	var people []Account
	for _, u := range s.config.Users {
		people = append(people, Account{Key: u.Name, Name: u.FullName, Email: u.Email})
	}
	c.Record.Outcome = providertest.Asked
	return s.pages.show(http.StatusOK, "account", map[string]any{
		"Action": s.config.ContextPath + "/login.jsp", "Tx": r.tx, "App": r.link.Name, "Accounts": people,
	})
}

// signIn is the login page's form.
func (s *DataCenter) signIn(c *providertest.Call) *providertest.Answer {
	r, answer := s.waiting(c)
	if answer != nil {
		return answer
	}
	user, ok := s.user(c.Get("account"))
	if !ok {
		return s.trouble(c, "account_unknown", "There is no such user.")
	}
	r.user = user
	c.Record.Client, c.Record.User, c.Record.Outcome = r.link.ID, user.Name, providertest.Asked
	return s.goTo("/plugins/servlet/oauth2/consent", r.tx)
}

func (s *DataCenter) askConsent(c *providertest.Call) *providertest.Answer {
	r, answer := s.waiting(c)
	if answer != nil {
		return answer
	}
	if r.user.Name == "" {
		return s.goTo("/login.jsp", r.tx)
	}
	c.Record.Outcome = providertest.Asked
	page := s.pages.show(http.StatusOK, "allow", map[string]any{
		"Action": s.config.ContextPath + "/plugins/servlet/oauth2/consent", "Tx": r.tx, "Token": r.token,
		"App": r.link.Name, "User": r.user, "Scope": s.config.highest(r.scope), "Return": hostOf(r.redirect),
	})
	cookie := http.Cookie{Name: xsrfCookie, Value: r.token, Path: s.config.ContextPath + "/", HttpOnly: true, Secure: c.Request.TLS != nil, SameSite: http.SameSiteLaxMode}
	return page.With("Set-Cookie", cookie.String())
}

// decide is the consent page's form. It can be sent once, and only by the
// browser that was shown the page.
func (s *DataCenter) decide(c *providertest.Call) *providertest.Answer {
	r, answer := s.waiting(c)
	if answer != nil {
		return answer
	}
	cookie, err := c.Request.Cookie(xsrfCookie)
	if err != nil || r.user.Name == "" || !same(cookie.Value, r.token) || !same(c.Get("atl_token"), r.token) {
		return s.troubleWith(c, http.StatusForbidden, "xsrf", "XSRF check failed: this form was not sent from the page that was shown to you.")
	}
	s.pending.Take(r.tx)
	if c.Get("decision") == "accept" {
		return s.accept(c, r)
	}
	return s.decline(c, r)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (s *DataCenter) waiting(c *providertest.Call) (*linkRequest, *providertest.Answer) {
	r, ok := s.pending.Get(c.Get("tx"))
	if !ok || !s.Now().Before(r.expires) {
		return nil, s.trouble(c, "not_waiting", "No application waits for you, or it has waited too long. Go back to it and start again.")
	}
	return r, nil
}

// accept issues a code.
func (s *DataCenter) accept(c *providertest.Call, r *linkRequest) *providertest.Answer {
	code := "sandbox-code-" + rand.Text()
	s.codes.Issue(code, ledger.Code{
		Client: r.link.ID, User: r.user.Name, Redirect: r.redirect, Challenge: r.challenge, Plain: r.plain,
		Scopes: []string{s.config.highest(r.scope)}, Expires: s.Now().Add(s.config.CodeLifetime),
	})
	c.Record.Client, c.Record.User = r.link.ID, r.user.Name
	c.Record.Outcome = providertest.Approved
	return s.back(r, url.Values{"code": {code}})
}

func (s *DataCenter) decline(c *providertest.Call, r *linkRequest) *providertest.Answer {
	answer := s.sendBack(c, r, "access_denied", "The resource owner or authorization server denied the request.")
	c.Record.User, c.Record.Outcome = r.user.Name, providertest.Declined
	return answer
}

// sendBack tells the client an error.
func (s *DataCenter) sendBack(c *providertest.Call, r *linkRequest, code, description string) *providertest.Answer {
	c.Record.Client, c.Record.Outcome, c.Record.Error = r.link.ID, providertest.Refused, code
	return s.back(r, url.Values{"error": {code}, "error_description": {description}})
}

func (s *DataCenter) back(r *linkRequest, params url.Values) *providertest.Answer {
	if r.state != "" {
		params.Set("state", r.state)
	}
	return providertest.Back(r.redirect, params)
}

// trouble ends the request on a page: the client never hears of it.
func (s *DataCenter) trouble(c *providertest.Call, reason, text string) *providertest.Answer {
	return s.troubleWith(c, http.StatusBadRequest, reason, text)
}

func (s *DataCenter) troubleWith(c *providertest.Call, status int, reason, text string) *providertest.Answer {
	c.Record.Outcome, c.Record.Reason = providertest.Refused, reason
	return s.pages.show(status, "trouble", map[string]string{"Title": "The application cannot be authorized", "Text": text})
}

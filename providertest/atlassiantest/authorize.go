package atlassiantest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// request is an authorization request that passed the checks and waits for a
// person.
type request struct {
	tx        string // names it in the forms
	app       App
	redirect  string
	state     string
	scopes    []string
	challenge string
	account   Account
	expires   time.Time
}

// authorize checks a request in the order of the real service. Whatever is
// wrong before consent is told on a page: nothing comes back to the client.
func (s *Server) authorize(c *providertest.Call) *providertest.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(c.Request.URL.RequestURI()) > s.config.MaxURL {
		return s.trouble(c, http.StatusRequestURITooLong, "url_too_long", "414 ERROR",
			"The request could not be satisfied: the URL is too long. Ask for fewer scopes.")
	}
	if c.Unreadable != "" || len(c.Repeated) > 0 {
		return s.somethingWrong(c, "unreadable", "The parameters could not be read or came twice: "+strings.Join(c.Repeated, ", "))
	}
	app, known := s.apps[c.Get("client_id")]
	if !known {
		return s.somethingWrong(c, "client_unknown", "There is no app with this client_id.")
	}
	if !slices.Contains(app.Callbacks, c.Get("redirect_uri")) {
		return s.somethingWrong(c, "redirect_mismatch", "The redirect_uri is not exactly a callback URL of the app. Registered: "+strings.Join(app.Callbacks, " "))
	}
	if c.Get("audience") != "api.atlassian.com" {
		return s.somethingWrong(c, "audience", "The audience must be api.atlassian.com.")
	}
	if c.Get("prompt") != "consent" {
		return s.somethingWrong(c, "prompt", "The prompt must be consent.")
	}
	if c.Get("response_type") != "code" {
		return s.somethingWrong(c, "response_type", "The response_type must be code.")
	}
	scopes := unique(strings.Fields(c.Get("scope")))
	if answer := s.checkScopes(c, app, scopes); answer != nil {
		return answer
	}
	if method := c.Get("code_challenge_method"); c.Get("code_challenge") != "" && method != "S256" {
		return s.somethingWrong(c, "challenge_method", "The code_challenge_method must be S256.")
	}
	r := &request{
		app: app, redirect: c.Get("redirect_uri"), state: c.Get("state"), scopes: scopes,
		challenge: c.Get("code_challenge"), expires: s.Now().Add(10 * time.Minute),
	}
	return s.askOrDecide(c, r)
}

func (s *Server) checkScopes(c *providertest.Call, app App, scopes []string) *providertest.Answer {
	var supported, missing, oidc []string
	for _, scope := range scopes {
		switch {
		case scope == offline:
		case openID(scope):
			oidc = append(oidc, scope)
		case slices.Contains(app.Scopes, scope):
			supported = append(supported, scope)
		default:
			missing = append(missing, scope)
		}
	}
	switch {
	case len(missing) > 0:
		return s.trouble(c, http.StatusBadRequest, "scope_not_added", "Something went wrong",
			fmt.Sprintf("%s has requested scopes that have not been added to the app in the developer console: %s", app.Name, strings.Join(missing, " ")))
	case len(oidc) > 0:
		return s.somethingWrong(c, "openid", "OpenID Connect scopes are not for apps: "+strings.Join(oidc, " "))
	case len(supported) == 0:
		return s.trouble(c, http.StatusBadRequest, "scope_empty", "Something went wrong",
			app.Name+" has not requested any supported Atlassian scopes.")
	}
	return nil
}

// askOrDecide shows the first page, or lets the machine click.
func (s *Server) askOrDecide(c *providertest.Call, r *request) *providertest.Answer {
	decision := s.Decision()
	if decision.Answer == "" || decision.Answer == "ask" {
		return s.askAccount(c, r)
	}
	account, ok := s.account(decision.User)
	if !ok {
		account, ok = s.account(c.Get("login_hint"))
	}
	if !ok || decision.User != "" && !matches(account, decision.User) {
		if decision.User != "" {
			return s.somethingWrong(c, "account_unknown", "The decision names an account that does not exist.")
		}
		account = s.accounts[0]
	}
	r.account = account
	if answer := s.private(c, r); answer != nil {
		return answer
	}
	if decision.Answer == "decline" {
		return s.decline(c, r)
	}
	sites, err := s.chosen(account, decision.Sites)
	if err != nil {
		return s.somethingWrong(c, "site_unknown", err.Error())
	}
	return s.accept(c, r, sites)
}

func matches(a Account, name string) bool { return name == a.Key || name == a.ID || name == a.Email }

// chosen resolves sites by id, name or URL among those that the account sees;
// none means the first.
func (s *Server) chosen(a Account, names []string) ([]string, error) {
	visible := s.sitesOf(a)
	if s.config.AccountLevel {
		var all []string
		for _, site := range visible {
			all = append(all, site.ID)
		}
		return all, nil
	}
	if len(names) == 0 {
		if len(visible) == 0 {
			return nil, nil
		}
		return []string{visible[0].ID}, nil
	}
	var ids []string
	for _, name := range names {
		i := slices.IndexFunc(visible, func(site Site) bool {
			return name == site.ID || name == site.Name || name == site.URL
		})
		if i < 0 {
			return nil, fmt.Errorf("%s cannot see a site %q", a.Key, name)
		}
		ids = append(ids, visible[i].ID)
	}
	return ids, nil
}

// private refuses people other than the owner of an app that is not shared.
func (s *Server) private(c *providertest.Call, r *request) *providertest.Answer {
	owner := r.app.Owner
	if owner == "" {
		owner = s.accounts[0].Key
	}
	if !r.app.Private && !s.config.PrivateApps || owner == r.account.Key {
		return nil
	}
	return s.trouble(c, http.StatusForbidden, "app_private", "You don't have access to this app",
		"This app is in development: only its owner may use it. Its owner can turn on sharing under Distribution.")
}

// decline sends the person back with the one error that clients do see.
func (s *Server) decline(c *providertest.Call, r *request) *providertest.Answer {
	c.Record.Client, c.Record.User = r.app.ID, r.account.Key
	c.Record.Outcome, c.Record.Error = providertest.Declined, "access_denied"
	return providertest.Back(r.redirect, withState(r, url.Values{
		"error": {"access_denied"}, "error_description": {"User did not authorize the request"},
	}))
}

func withState(r *request, params url.Values) url.Values {
	if r.state != "" {
		params.Set("state", r.state)
	}
	return params
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

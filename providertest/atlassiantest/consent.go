package atlassiantest

import (
	"crypto/rand"
	"net/http"
	"net/url"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// askAccount shows the login page.
func (s *Server) askAccount(c *providertest.Call, r *request) *providertest.Answer {
	r.tx = rand.Text()
	s.pending.Put(r.tx, r)
	c.Record.Outcome = providertest.Asked
	return s.pages.show(http.StatusOK, "account", map[string]any{"Action": "/authorize/account", "Tx": r.tx, "App": r.app.Name, "Accounts": s.accounts})
}

// chooseAccount is the login page's form.
func (s *Server) chooseAccount(c *providertest.Call) *providertest.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, answer := s.waiting(c)
	if answer != nil {
		return answer
	}
	account, ok := s.account(c.Get("account"))
	if !ok {
		return s.somethingWrong(c, "account_unknown", "There is no such account.")
	}
	r.account = account
	c.Record.Client, c.Record.User = r.app.ID, account.Key
	if answer := s.private(c, r); answer != nil {
		return answer
	}
	c.Record.Outcome = providertest.Asked
	return s.askConsent(r)
}

func (s *Server) askConsent(r *request) *providertest.Answer {
	type line struct{ Scope, Text string }
	var lines []line
	for _, scope := range r.scopes {
		lines = append(lines, line{scope, explain(scope)})
	}
	return s.pages.show(http.StatusOK, "consent", map[string]any{
		"Tx": r.tx, "App": r.app.Name, "Account": r.account, "Scopes": lines,
		"Sites": s.sitesOf(r.account), "Return": hostOf(r.redirect),
	})
}

// decide is the consent page's form. It can be sent once.
func (s *Server) decide(c *providertest.Call) *providertest.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, answer := s.waiting(c)
	if answer != nil {
		return answer
	}
	if r.account.Key == "" {
		return s.somethingWrong(c, "no_account", "Nobody is signed in.")
	}
	var names []string
	if site := c.Get("site"); site != "" {
		names = c.Params["site"]
	}
	sites, err := s.chosen(r.account, names)
	if err != nil {
		return s.somethingWrong(c, "site_unknown", err.Error())
	}
	s.pending.Take(r.tx)
	if c.Get("decision") == "accept" {
		return s.accept(c, r, sites)
	}
	return s.decline(c, r)
}

// waiting finds the request that a form belongs to.
func (s *Server) waiting(c *providertest.Call) (*request, *providertest.Answer) {
	r, ok := s.pending.Get(c.Get("tx"))
	if !ok || !s.Now().Before(r.expires) {
		return nil, s.trouble(c, http.StatusBadRequest, "not_waiting", "This page has expired",
			"The request was answered already or has waited too long. Go back to the application and start again.")
	}
	return r, nil
}

// accept records the consent and issues a code.
func (s *Server) accept(c *providertest.Call, r *request, sites []string) *providertest.Answer {
	s.consent(r.app.ID, r.account.Key, sites, r.scopes)
	code := "sandbox-code-" + rand.Text()
	s.codes.Issue(code, ledger.Code{
		Client: r.app.ID, User: r.account.Key, Redirect: r.redirect, Challenge: r.challenge,
		Scopes: r.scopes, Expires: s.Now().Add(s.config.CodeLifetime),
	})
	c.Record.Client, c.Record.User = r.app.ID, r.account.Key
	c.Record.Outcome = providertest.Approved
	return providertest.Back(r.redirect, withState(r, url.Values{"code": {code}}))
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}

package atlassiantest

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// caller is what valid credentials stand for; the zero caller is nobody.
type caller struct {
	account  Account
	scopes   []string // at this moment
	sites    []string // cloud ids that the credentials reach
	unscoped bool     // an API token that may do what its owner may
	app      string   // whose points its requests cost; empty for API tokens
}

// reaches reports whether credentials give access to a site at this moment.
func (s *Server) reaches(who caller, site Site) bool {
	return !site.Blocked && slices.Contains(who.sites, site.ID) && slices.Contains(s.membersOf(site), who.account.Key)
}

// membersOf lists the people of a site and the service accounts that were
// given access to it.
func (s *Server) membersOf(site Site) []string {
	members := slices.Clone(site.Members)
	for _, service := range s.config.ServiceAccounts {
		if slices.Contains(service.Sites, site.Name) {
			members = append(members, service.Account.Key)
		}
	}
	return members
}

// authenticate checks an access token. What it reaches is what the grant has
// now, not what it had when the token was issued.
func (s *Server) authenticate(c *providertest.Call) (caller, *providertest.Answer) {
	access, ok := s.access.Valid(c.Bearer(), s.Now())
	if !ok {
		return caller{}, unauthorized(c)
	}
	c.Record.Client, c.Record.User, c.Record.Family = access.Client, access.User, access.Family
	account, _ := s.account(access.User)
	if service, ok := s.service(access.Client); ok {
		return caller{account: account, scopes: access.Scopes, sites: s.idsOf(service.Sites), app: access.Client}, nil
	}
	g := s.grants[pair{access.Client, access.User}]
	if g == nil {
		return caller{}, unauthorized(c)
	}
	return caller{account: account, scopes: g.Scopes, sites: g.Sites, app: access.Client}, nil
}

// gatewayCaller checks what came to the gateway: an access token, a scoped API
// token with its owner's mail address, or one of a service account as bearer.
func (s *Server) gatewayCaller(c *providertest.Call) (caller, *providertest.Answer) {
	email, token, basic := c.Request.BasicAuth()
	if !basic {
		if who, ok := s.tokenCaller("", c.Bearer()); ok && !who.unscoped && s.isService(who.account.Key) {
			return who, nil
		}
		return s.authenticate(c)
	}
	who, ok := s.tokenCaller(email, token)
	if !ok || who.unscoped {
		return caller{}, unauthorized(c)
	}
	return who, nil
}

// siteCaller checks what came to a site's own host. rejected are credentials
// that do not work, which makes the request nobody's; ok is false for those
// that work elsewhere only, which are refused outright.
func (s *Server) siteCaller(v *visit) (who caller, rejected, ok bool) {
	email, token, basic := v.Request.BasicAuth()
	if !basic {
		return caller{}, false, v.Request.Header.Get("Authorization") == ""
	}
	who, known := s.tokenCaller(email, token)
	switch {
	case !known, !slices.Contains(s.membersOf(*v.site), who.account.Key):
		return caller{}, true, true
	case !who.unscoped:
		return caller{}, true, false
	}
	return who, false, true
}

// tokenCaller finds an API token; an empty email stands for any.
func (s *Server) tokenCaller(email, token string) (caller, bool) {
	kept, ok := s.apiTokens.Valid(token, s.Now())
	account, _ := s.account(kept.User)
	if !ok || email != "" && account.Email != email {
		return caller{}, false
	}
	who := caller{account: account, scopes: kept.Scopes, unscoped: len(kept.Scopes) == 0}
	for _, site := range s.sites {
		if slices.Contains(s.membersOf(site), account.Key) {
			who.sites = append(who.sites, site.ID)
		}
	}
	return who, true
}

// IssueAPIToken makes an API token of an account (by key, id or mail address)
// for a time from a day to a year, as its owner does in the account settings.
// Without scopes it may do all that its owner may, at the site's own host with
// HTTP Basic; with scopes it works at the gateway only. Those of service
// accounts always have scopes.
func (s *Server) IssueAPIToken(account string, life time.Duration, scopes ...string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.account(account)
	const day = 24 * time.Hour
	switch {
	case !ok:
		return "", fmt.Errorf("there is no account %q", account)
	case life < day || life > 366*day:
		return "", fmt.Errorf("an API token lives from a day to a year, not %s", life)
	case len(scopes) == 0 && s.isService(a.Key):
		return "", fmt.Errorf("the API tokens of the service account %q need scopes", account)
	}
	token, now := "sandbox-api-token-"+anyText(80, 180), s.Now()
	s.apiTokens.Issue(token, ledger.Access{User: a.Key, Scopes: slices.Clone(scopes), Issued: now, Expires: now.Add(life)})
	return token, nil
}

// service finds a service account by the client id of its OAuth 2.0 credential.
func (s *Server) service(client string) (ServiceAccount, bool) {
	i := slices.IndexFunc(s.config.ServiceAccounts, func(a ServiceAccount) bool { return a.ClientID == client })
	if i < 0 || client == "" {
		return ServiceAccount{}, false
	}
	return s.config.ServiceAccounts[i], true
}

func (s *Server) isService(key string) bool {
	return slices.ContainsFunc(s.config.ServiceAccounts, func(a ServiceAccount) bool { return a.Account.Key == key })
}

// idsOf turns names of sites into cloud ids.
func (s *Server) idsOf(names []string) []string {
	var ids []string
	for _, site := range s.sites {
		if slices.Contains(names, site.Name) {
			ids = append(ids, site.ID)
		}
	}
	return ids
}

func unauthorized(c *providertest.Call) *providertest.Answer {
	c.Record.Error = "Unauthorized"
	return gateway(http.StatusUnauthorized, "Unauthorized")
}

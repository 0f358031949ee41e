package atlassiantest

import (
	"net/http"
	"slices"

	"github.com/keybearer/keybearer/providertest"
)

// bearer is what a valid access token stands for.
type bearer struct {
	account Account
	grant   *grant
}

// authenticate checks the access token. What it reaches is what the grant has
// now, not what it had when the token was issued.
func (s *Server) authenticate(c *providertest.Call) (bearer, *providertest.Answer) {
	access, ok := s.access.Valid(c.Bearer(), s.Now())
	g := s.grants[pair{access.Client, access.User}]
	if !ok || g == nil {
		c.Record.Error = "Unauthorized"
		return bearer{}, gateway(http.StatusUnauthorized, "Unauthorized")
	}
	c.Record.Client, c.Record.User, c.Record.Family = access.Client, access.User, access.Family
	account, _ := s.account(access.User)
	return bearer{account, g}, nil
}

// resource is one entry of accessible-resources.
type resource struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	URL       string   `json:"url"`
	Scopes    []string `json:"scopes"`
	AvatarURL string   `json:"avatarUrl"`
}

// resources lists one entry per product of each site, in no fixed order.
func (s *Server) resources(c *providertest.Call) *providertest.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, answer := s.authenticate(c)
	if answer != nil {
		return answer
	}
	list := []resource{}
	for _, site := range s.sites {
		if !s.reaches(who, site) {
			continue
		}
		for _, p := range site.Products {
			var scopes []string
			for _, scope := range who.grant.Scopes {
				if product(scope) == p {
					scopes = append(scopes, scope)
				}
			}
			if len(scopes) > 0 {
				list = append(list, resource{site.ID, site.Name, site.URL, scopes, "https://site-admin-avatars-cdn.invalid/" + p + ".png"})
			}
		}
	}
	s.order.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return providertest.JSON(http.StatusOK, list)
}

// reaches reports whether a grant gives access to a site at this moment.
func (s *Server) reaches(who bearer, site Site) bool {
	return !site.Blocked && slices.Contains(who.grant.Sites, site.ID) && slices.Contains(site.Members, who.account.Key)
}

// me is the profile. Its names are not those of OpenID Connect.
func (s *Server) me(c *providertest.Call) *providertest.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, answer := s.authenticate(c)
	if answer != nil {
		return answer
	}
	if !slices.Contains(who.grant.Scopes, "read:me") {
		c.Record.Error = "scope"
		return gateway(s.config.MeRefusal, http.StatusText(s.config.MeRefusal)+"; scope does not match")
	}
	a := who.account
	return providertest.JSON(http.StatusOK, map[string]any{
		"account_id": a.ID, "account_type": "atlassian", "account_status": "active",
		"email": a.Email, "name": a.Name, "nickname": a.Key,
		"picture": "https://avatars.invalid/" + a.Key + ".png", "zoneinfo": a.TimeZone, "locale": "en-US",
		"extended_profile": map[string]string{"job_title": a.JobTitle, "organization": "Sandbox", "department": "", "location": ""},
	})
}

// myself is Jira's profile, the smallest call that shows that a token works at
// the gateway. An endpoint accepts its one classic scope or all of its
// granular ones.
func (s *Server) myself(c *providertest.Call) *providertest.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, answer := s.authenticate(c)
	if answer != nil {
		return answer
	}
	version := c.Request.PathValue("version")
	i := slices.IndexFunc(s.sites, func(site Site) bool { return site.ID == c.Request.PathValue("cloud") })
	if i < 0 || !s.reaches(who, s.sites[i]) || !slices.Contains(s.sites[i].Products, "jira") || version != "2" && version != "3" {
		return gateway(http.StatusNotFound, "Not Found")
	}
	granular := []string{"read:application-role:jira", "read:group:jira", "read:user:jira", "read:avatar:jira"}
	if !slices.Contains(who.grant.Scopes, "read:jira-user") && !covers(who.grant.Scopes, granular) {
		c.Record.Error = "scope"
		return gateway(http.StatusUnauthorized, "Unauthorized; scope does not match")
	}
	a := who.account
	return providertest.JSON(http.StatusOK, map[string]any{
		"self":      s.sites[i].URL + "/rest/api/" + version + "/user?accountId=" + a.ID,
		"accountId": a.ID, "accountType": "atlassian", "emailAddress": a.Email, "displayName": a.Name,
		"active": true, "timeZone": a.TimeZone, "locale": "en_US",
		"avatarUrls": map[string]string{"48x48": "https://avatars.invalid/" + a.Key + ".png"},
	}).With("X-Aaccountid", a.ID)
}

func covers(have, want []string) bool {
	for _, scope := range want {
		if !slices.Contains(have, scope) {
			return false
		}
	}
	return true
}

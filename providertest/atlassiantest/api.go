package atlassiantest

import (
	"net/http"
	"slices"

	"github.com/keybearer/keybearer/providertest"
)

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
			for _, scope := range who.scopes {
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

// me is the profile. Its names are not those of OpenID Connect.
func (s *Server) me(c *providertest.Call) *providertest.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, answer := s.authenticate(c)
	if answer != nil {
		return answer
	}
	if !slices.Contains(who.scopes, "read:me") {
		c.Record.Error = "scope"
		return gateway(s.config.MeRefusal, http.StatusText(s.config.MeRefusal)+"; scope does not match")
	}
	a := who.account
	return providertest.JSON(http.StatusOK, map[string]any{
		"account_id": a.ID, "account_type": s.accountType(a), "account_status": "active",
		"email": a.Email, "name": a.Name, "nickname": a.Key,
		"picture": "https://avatars.invalid/" + a.Key + ".png", "zoneinfo": a.TimeZone, "locale": "en-US",
		"extended_profile": map[string]string{"job_title": a.JobTitle, "organization": "Sandbox", "department": "", "location": ""},
	})
}

// accountType is "app" for service accounts, which are no people.
func (s *Server) accountType(a Account) string {
	if s.isService(a.Key) {
		return "app"
	}
	return "atlassian"
}

func covers(have, want []string) bool {
	for _, scope := range want {
		if !slices.Contains(have, scope) {
			return false
		}
	}
	return true
}

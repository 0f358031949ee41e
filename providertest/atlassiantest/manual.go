package atlassiantest

import (
	"fmt"
	"strings"
)

// manual is the text that the person who started a server is shown.
type manual struct{ strings.Builder }

func (m *manual) section(title string)    { fmt.Fprintf(m, "\n%s\n", title) }
func (m *manual) line(name, value string) { fmt.Fprintf(m, "  %-15s %s\n", name, value) }

// controls names the switches, and how to use the control API at its bases.
func (m *manual) controls(bases []string, switches []Switch) {
	m.section("Switches (see docs/sandbox.md)")
	for _, s := range switches {
		fmt.Fprintf(m, "  %-20s %s\n", s.Name, s.Value)
	}
	for _, base := range bases {
		m.section("Control (see docs/sandbox.md)")
		m.line("clock", `curl -d '{"advance":"1h"}' `+base+"/control/clock")
		m.line("decision", `curl -d '{"answer":"approve","user":"alice"}' `+base+"/control/decision")
		m.line("fault", `curl -d '{"endpoint":"token","name":"server_error","times":1}' `+base+"/control/faults")
		m.line("switches", "curl "+base+"/control/switches")
		m.line("history", "curl "+base+"/control/history")
	}
}

// Manual is a page of text for the person who started the server at base
// ("http://127.0.0.1:9199"): its endpoints, apps, accounts and sites, and the
// control API if its base is given. It contains no secret.
func (s *Server) Manual(base string, control ...string) string {
	switches := s.Switches()
	s.mu.Lock()
	defer s.mu.Unlock()
	var b manual
	b.WriteString("A local Atlassian Cloud. Nothing here is real and nothing leaves this machine.\n")
	b.section("Endpoints")
	b.line("authorize", base+"/authorize")
	b.line("token", base+"/oauth/token")
	b.line("sites", base+"/oauth/token/accessible-resources")
	b.line("profile", base+"/me")
	b.line("Jira", base+"/ex/jira/{cloudId}/rest/api/3/myself")
	b.line("Confluence", base+"/ex/confluence/{cloudId}/wiki/api/v2/spaces")
	b.line("site", base+"/site/{name}/rest/api/3/myself (API tokens only)")
	b.section("Apps")
	for _, app := range s.config.Apps {
		b.line(app.ID, "callbacks (exact): "+strings.Join(s.apps[app.ID].Callbacks, " "))
	}
	b.section("Accounts (no passwords)")
	for _, a := range s.accounts {
		var names []string
		for _, site := range s.sitesOf(a) {
			names = append(names, site.Name)
		}
		sites := "member of no site"
		if len(names) > 0 {
			sites = "member of " + strings.Join(names, ", ")
		}
		b.line(a.Key, a.Name+", "+sites)
	}
	b.section("Service accounts (client_credentials)")
	for _, a := range s.config.ServiceAccounts {
		b.line(a.ClientID, a.Account.Name+", may work at "+strings.Join(a.Sites, ", "))
	}
	b.section("Sites")
	for _, site := range s.sites {
		b.line(site.Name, site.ID+", "+strings.Join(site.Products, ", "))
	}
	b.controls(control, switches)
	return b.String()
}

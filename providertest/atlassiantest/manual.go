package atlassiantest

import (
	"fmt"
	"strings"
)

// Manual is a page of text for the person who started the server at base
// ("http://127.0.0.1:9199"): its endpoints, apps, accounts and sites, and the
// control API if its base is given. It contains no secret.
func (s *Server) Manual(base string, control ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	section := func(title string) { fmt.Fprintf(&b, "\n%s\n", title) }
	line := func(name, value string) { fmt.Fprintf(&b, "  %-12s %s\n", name, value) }

	b.WriteString("A local Atlassian Cloud. Nothing here is real and nothing leaves this machine.\n")
	section("Endpoints")
	line("authorize", base+"/authorize")
	line("token", base+"/oauth/token")
	line("sites", base+"/oauth/token/accessible-resources")
	line("profile", base+"/me")
	line("Jira", base+"/ex/jira/{cloudId}/rest/api/3/myself")
	section("Apps")
	for _, app := range s.config.Apps {
		line(app.ID, "callbacks (exact): "+strings.Join(s.apps[app.ID].Callbacks, " "))
	}
	section("Accounts (no passwords)")
	for _, a := range s.accounts {
		var names []string
		for _, site := range s.sitesOf(a) {
			names = append(names, site.Name)
		}
		sites := "member of no site"
		if len(names) > 0 {
			sites = "member of " + strings.Join(names, ", ")
		}
		line(a.Key, a.Name+", "+sites)
	}
	section("Sites")
	for _, site := range s.sites {
		line(site.Name, site.ID+", "+strings.Join(site.Products, ", "))
	}
	for _, base := range control {
		section("Control (see docs/sandbox.md)")
		line("clock", `curl -d '{"advance":"1h"}' `+base+"/control/clock")
		line("decision", `curl -d '{"answer":"approve","user":"alice"}' `+base+"/control/decision")
		line("fault", `curl -d '{"endpoint":"token","name":"server_error","times":1}' `+base+"/control/faults")
		line("history", "curl "+base+"/control/history")
	}
	return b.String()
}

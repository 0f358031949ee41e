package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

const mostNearMisses = 3 // operations that are named, where a granular set is incomplete

// checkScopes looks at what is asked for, and at what was granted, as lists.
func (c *chart) checkScopes() {
	if !c.isCloud() {
		c.checkVocabulary()
		c.checkGranted()
		return
	}
	if c.guessed() {
		c.note(Finding{Check: "scopes.list", Verdict: Skipped, Saw: "which scopes apps ask for is not known here", Do: "Give them: --scope read:jira-work --scope ..., or a user who is connected"})
		return
	}
	scopes := c.asked()
	if c.connection != nil && len(c.wanted) == 0 {
		scopes = c.connection.Scopes // offline_access may have been asked for and not been granted
	}
	sentences := atlassian.CheckScopes(scopes)
	if c.connection != nil && c.connection.Kind != keybearer.Consented.String() { // nothing is refreshed
		sentences = slices.DeleteFunc(sentences, func(s string) bool { return strings.HasPrefix(s, "without "+atlassian.OfflineAccess) })
	}
	for i, s := range sentences {
		f := Finding{Check: "scopes.list", Verdict: Warning, Saw: s}
		if fewer := fewer(scopes); i == 0 && len(scopes) >= atlassian.ManyScopes && fewer != "" { // CheckScopes counts first
			f.Do = "The classic ones for the same products: " + fewer
		}
		c.note(f)
	}
	if len(sentences) == 0 {
		c.note(Finding{Check: "scopes.list", Verdict: OK, Saw: plural(len(scopes), "scope") + ": " + shownScopes(scopes)})
	}
	c.checkGranted()
}

// checkVocabulary is for servers whose scopes are all known: one of Cloud shows a page there, or comes back
// as invalid_scope, and no consent page appears.
func (c *chart) checkVocabulary() {
	var words []string
	if rules := c.p.OAuth2.Scopes; rules != nil {
		words = append(slices.Clone(rules.Levels), rules.Known...)
	}
	scopes := c.asked()
	if unknown := missing(c.wanted, words); len(words) > 0 && len(unknown) > 0 {
		c.note(Finding{
			Check: "scopes.list", Verdict: Problem, Class: atlassian.ClassConfig, Saw: c.p.ProviderID + " has no scope " + shownScopes(unknown),
			Do: "Ask for one of " + strings.Join(words, ", "),
		})
	} else if len(scopes) > 0 {
		c.note(Finding{Check: "scopes.list", Verdict: OK, Saw: plural(len(scopes), "scope") + ": " + shownScopes(scopes)})
	}
}

// fewer are the classic scopes for the products and the access that a long list speaks of, and what no
// classic one does: boards and sprints. It is empty where that is not shorter.
func fewer(scopes []string) string {
	access := atlassian.Read
	var products []atlassian.Product
	var kept []string
	for _, s := range scopes {
		verb, _, _ := strings.Cut(s, ":")
		switch {
		case verb == "manage":
			access = atlassian.Admin
		case (verb == "write" || verb == "delete") && access == atlassian.Read:
			access = atlassian.Write
		}
		if p := atlassian.ScopeProduct(s); p != "" {
			products = append(products, p)
		}
		if s == "read:me" || strings.HasSuffix(s, ":jira-software") {
			kept = append(kept, s)
		}
	}
	slices.Sort(products)
	kept = append(kept, atlassian.ClassicScopes(access, slices.Compact(products)...)...)
	if len(products) == 0 || len(kept) >= min(len(scopes), atlassian.ManyScopes) {
		return ""
	}
	return strings.Join(kept, " ")
}

// checkGranted holds what apps are going to ask for against what was granted.
func (c *chart) checkGranted() {
	if c.connection == nil || len(c.connection.Scopes) == 0 || len(c.wanted) == 0 {
		return
	}
	if lacking := missing(c.wanted, c.connection.Scopes); len(lacking) > 0 {
		c.note(Finding{
			Check: "scopes.granted", Verdict: Problem, Class: atlassian.ClassScope, Saw: "not granted: " + shownScopes(lacking),
			Do: "See that " + c.permits() + " permits them, then let the user authorize again; refreshing does not help",
		})
		return
	}
	c.note(Finding{Check: "scopes.granted", Verdict: OK, Saw: "all of them were granted"})
}

// checkOperations says what a product's calls need, of those that are known, and what the scopes permit.
func (c *chart) checkOperations(s atlassian.Site, p atlassian.Product) {
	permitted, known := map[atlassian.Access]int{}, map[atlassian.Access]int{}
	var near []atlassian.Operation
	for _, o := range atlassian.Operations() {
		if o.Product != p {
			continue
		}
		known[o.Access]++
		if o.Permits(s.Scopes) {
			permitted[o.Access]++
		} else if slices.ContainsFunc(o.Granular, func(scope string) bool { return slices.Contains(s.Scopes, scope) }) {
			near = append(near, o)
		}
	}
	f := Finding{Check: "scopes.operations", Verdict: OK, Site: s.ID, Product: p, Saw: fmt.Sprintf("%s at %s: the scopes permit %s", p, nameOf(s), tally(permitted, known))}
	switch {
	case permitted[atlassian.Read]+permitted[atlassian.Write]+permitted[atlassian.Admin] == 0:
		f.Verdict, f.Class = Problem, atlassian.ClassScope
		f.Do = "An operation takes its classic scope, or all of its granular ones"
	case len(near) > 0:
		f.Do = "Where only granular scopes were granted, most of a set is like none of it"
	}
	slices.SortStableFunc(near, func(a, b atlassian.Operation) int {
		return len(missing(a.Granular, s.Scopes)) - len(missing(b.Granular, s.Scopes))
	})
	for i, o := range near[:min(len(near), mostNearMisses)] {
		f.Do += []string{":", "", ""}[i] + fmt.Sprintf("\n%s %s lacks %s", o.Method, o.Path, strings.Join(missing(o.Granular, s.Scopes), " "))
		if o.Classic != "" {
			f.Do += ", or " + o.Classic
		}
	}
	if f.Verdict == OK && len(near) > 0 && permitted[atlassian.Read] < known[atlassian.Read] {
		f.Verdict = Warning
	}
	c.note(f)
}

// missing are the wanted scopes that were not granted.
func missing(wanted, granted []string) []string {
	return slices.DeleteFunc(slices.Clone(wanted), func(s string) bool { return slices.Contains(granted, s) })
}

func tally(permitted, known map[atlassian.Access]int) string {
	var parts []string
	for _, level := range []struct {
		access atlassian.Access
		to     string
	}{{atlassian.Read, "read"}, {atlassian.Write, "write"}, {atlassian.Admin, "administer"}} {
		if known[level.access] > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d known calls to %s", permitted[level.access], known[level.access], level.to))
		}
	}
	return strings.Join(parts, ", ")
}

func shownScopes(scopes []string) string {
	const most = 20
	text := strings.Join(scopes[:min(len(scopes), most)], " ")
	if len(scopes) > most {
		text += fmt.Sprintf(" and %d more", len(scopes)-most)
	}
	return text
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// nameOf is a site in a sentence.
func nameOf(s atlassian.Site) string {
	if s.URL != "" {
		return strings.TrimPrefix(s.URL, "https://")
	}
	return s.ID
}

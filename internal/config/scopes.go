package config

import (
	"slices"

	"github.com/keybearer/keybearer/atlassian"
)

// AtlassianCloud is the bundled type whose scopes are looked at.
const AtlassianCloud = "atlassian"

// scopes doubts what the file itself asks for at Atlassian Cloud; apps may ask for more.
func (c *checker) scopes(p *Provider, at []string) {
	rules := p.Definition.Scopes
	at = append(slices.Clone(at), "oauth2", "scopes")
	if p.ProviderID != AtlassianCloud || !c.written(at...) || c.failedWithin(at) {
		return
	}
	for _, doubt := range atlassian.CheckScopes(slices.Concat(rules.Default, rules.Always)) {
		c.doubt(c.withoutExpanded(doubt, at), at...)
	}
}

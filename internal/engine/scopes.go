package engine

import (
	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/internal/config"
)

// doubtfulScopes knows Atlassian Cloud, which tells most of what is wrong with scopes on a page of its own,
// with nothing coming back.
func doubtfulScopes(p *keybearer.Provider, scopes []string) []string {
	if p.Type != config.AtlassianCloud {
		return nil
	}
	return atlassian.CheckScopes(scopes)
}

package keybearer

import (
	"slices"
	"strings"

	"github.com/keybearer/keybearer/oauth"
)

// tidyScopes drops what is blank, and refuses what no scope can be.
func tidyScopes(list []string) ([]string, error) {
	if len(list) > maxScopes {
		return nil, Errorf(BadRequest, "%d scopes are asked for: the limit is %d", len(list), maxScopes)
	}
	var scopes []string
	for _, s := range list {
		s = strings.TrimSpace(s)
		switch {
		case s == "":
		case len(s) > maxScope || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '"' || c == '\\' || c > '~' }):
			return nil, Errorf(BadRequest, "the scope %q has characters that RFC 6749 section 3.3 does not allow", oauth.Clean(s, 60))
		default:
			scopes = append(scopes, s)
		}
	}
	return scopes, nil
}

// checkScopes refuses scopes that the provider is known not to have, since some say so on a page of
// their own and never send the browser back.
func checkScopes(p *Provider, scopes []string) error {
	rules := p.Definition.Scopes
	unknown := rules.Unknown(slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(rules.Always, s) }))
	if len(unknown) == 0 {
		return nil
	}
	return Errorf(BadRequest, "%s has no scope %q: use %s", p.DisplayName(), oauth.Clean(unknown[0], 60), strings.Join(rules.Vocabulary(), ", "))
}

// existing are the scopes granted before, which the new consent should keep.
func existing(c Connection, p *Provider) []string {
	if c.Kind != Consented {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.Scopes), func(s string) bool { return slices.Contains(p.Definition.Scopes.Always, s) })
}

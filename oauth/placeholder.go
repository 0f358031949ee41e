package oauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Placeholders lists the names that may stand in {{…}} in the params, headers and header format of
// a request. The client secret may not stand in the authorization request: it would go through the
// browser.
func Placeholders(request string) []string {
	switch request {
	case "authorize_request":
		return []string{"client_id", "redirect_uri", "scopes", "existing_scopes", "state", "code_challenge", "code_challenge_method"}
	case "token_request":
		return []string{"client_id", "client_secret", "redirect_uri", "code", "code_verifier", "state", "scopes"}
	case "refresh_request":
		return []string{"client_id", "client_secret", "redirect_uri", "refresh_token", "access_token", "scopes", "granted_scopes"}
	case "device_authorization_request":
		return []string{"client_id", "client_secret", "scopes"}
	case "revoke_request":
		return []string{"client_id", "client_secret", "access_token", "refresh_token", "token"}
	}
	return []string{"client_id", "client_secret", "access_token"}
}

// values are what the placeholders of one request stand for.
type values map[string]string

// expand replaces each {{name}}; blanks inside the braces are allowed. Names without a value become
// empty: unknown names were refused when the definition was read.
func (v values) expand(template string) string {
	var b strings.Builder
	for {
		before, name, after, found := nextPlaceholder(template)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(v[name])
		template = after
	}
}

// nextPlaceholder cuts a template at its first {{name}}. Braces that are not closed are plain text.
func nextPlaceholder(template string) (before, name, after string, found bool) {
	before, rest, open := strings.Cut(template, "{{")
	name, after, closed := strings.Cut(rest, "}}")
	if !open || !closed {
		return template, "", "", false
	}
	return before, strings.TrimSpace(name), after, true
}

// names lists the placeholders of a template.
func names(template string) []string {
	var out []string
	for {
		_, name, after, found := nextPlaceholder(template)
		if !found {
			return out
		}
		out = append(out, name)
		template = after
	}
}

// mentions reports whether any of the templates uses the placeholder.
func mentions(templates map[string]string, name string) bool {
	for _, t := range templates {
		if slices.Contains(names(t), name) {
			return true
		}
	}
	return false
}

func checkTemplate(request, template string) error {
	allowed := Placeholders(request)
	for _, name := range names(template) {
		if !slices.Contains(allowed, name) {
			return fmt.Errorf("{{%s}} is not known here; allowed: {{%s}}", Clean(name, 40), strings.Join(allowed, "}}, {{"))
		}
	}
	if strings.Count(template, "{{") != len(names(template)) {
		return errors.New(`a "{{" is not closed by "}}"`)
	}
	return nil
}

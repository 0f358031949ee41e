package oauth

import (
	"fmt"
	"slices"
	"strings"
)

// Placeholders are the names that may stand in {{…}} in params, headers and header formats, by kind
// of request. {{client_id}} and {{client_secret}} may stand anywhere but in the authorization
// request, where the secret may not: it would go through the browser.
var placeholders = map[string][]string{
	"authorize_request": {"client_id", "redirect_uri", "scopes", "existing_scopes", "state", "code_challenge", "code_challenge_method"},
	"token_request":     {"client_id", "client_secret", "redirect_uri", "code", "code_verifier", "state", "scopes"},
	"refresh_request":   {"client_id", "client_secret", "redirect_uri", "refresh_token", "access_token", "scopes", "granted_scopes"},
	"user_info_request": {"client_id", "client_secret", "access_token"},
	"token_introspection_request": {
		"client_id", "client_secret", "access_token",
	},
	"revoke_request": {"client_id", "client_secret", "access_token", "refresh_token", "token"},
}

// values are what the placeholders of one request stand for.
type values map[string]string

// expand replaces each {{name}}; blanks inside the braces are allowed. Names without a value become
// empty: unknown names were refused when the definition was read.
func (v values) expand(template string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			b.WriteString("{{" + rest)
			return b.String()
		}
		b.WriteString(v[strings.TrimSpace(name)])
		template = after
	}
}

// names lists the placeholders of a template.
func names(template string) []string {
	var out []string
	for {
		_, rest, found := strings.Cut(template, "{{")
		if !found {
			return out
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return append(out, strings.TrimSpace(rest))
		}
		out = append(out, strings.TrimSpace(name))
		template = after
	}
}

func checkTemplate(request, template string) error {
	for _, name := range names(template) {
		if !slices.Contains(placeholders[request], name) {
			return fmt.Errorf("{{%s}} is not known here; allowed: {{%s}}", name, strings.Join(placeholders[request], "}}, {{"))
		}
	}
	return nil
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

// expandParams fills in the params of a request. Parameters that end up empty are dropped: an empty
// scope or client_secret breaks strict servers. A parameter built from scopes loses duplicates.
func expandParams(params map[string]string, v values, delimiter string) map[string]string {
	out := make(map[string]string, len(params))
	for key, template := range params {
		text := v.expand(template)
		if mentionsScopes(template) {
			text = strings.Join(SplitScopes(text, delimiter), delimiter)
		}
		if text = strings.TrimSpace(text); text != "" {
			out[key] = text
		}
	}
	return out
}

func mentionsScopes(template string) bool {
	for _, name := range names(template) {
		if strings.HasSuffix(name, "scopes") {
			return true
		}
	}
	return false
}

// SplitScopes reads a list of scopes as providers write it: separated by the delimiter, by spaces
// or by commas, whatever was asked for (catalogues of real answers show all mixtures). The result
// has no duplicates and keeps the order.
func SplitScopes(text, delimiter string) []string {
	fields := strings.FieldsFunc(text, func(r rune) bool {
		return r == ' ' || r == ',' || r == '\t' || r == '\n' || strings.ContainsRune(delimiter, r)
	})
	var out []string
	for _, f := range fields {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

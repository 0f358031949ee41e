package oauth

import (
	"slices"
	"strings"
	"unicode"
)

// expandParams fills in the params of a request. Parameters that end up empty are dropped: an empty
// scope or client_secret breaks strict servers. A parameter built from scopes loses duplicates.
func expandParams(params map[string]string, v values, delimiter string) map[string]string {
	out := make(map[string]string, len(params))
	for key, template := range params {
		text := v.expand(template)
		if slices.ContainsFunc(names(template), func(name string) bool { return strings.HasSuffix(name, "scopes") }) {
			text = tidyScopes(text, delimiter)
		}
		if strings.TrimSpace(text) != "" {
			out[key] = text
		}
	}
	return out
}

// tidyScopes makes one list of "{{scopes}} {{existing_scopes}}": whatever the delimiter, templates
// put a blank between the two. A comma inside a scope stays (RFC 6749 section 3.3 allows it), unless
// it is the delimiter.
func tidyScopes(text, delimiter string) string {
	return strings.Join(unique(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(delimiter, r)
	})), delimiter)
}

// SplitScopes reads a list of scopes as providers write it: separated by the delimiter, by spaces
// or by commas, whatever was asked for (catalogues of real answers show all mixtures). The result
// has no duplicates and keeps the order.
func SplitScopes(text, delimiter string) []string {
	return unique(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || r == ',' || strings.ContainsRune(delimiter, r)
	}))
}

func unique(list []string) []string {
	var out []string
	for _, item := range list {
		if !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

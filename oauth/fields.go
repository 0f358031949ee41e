package oauth

import (
	"encoding/json"
	"maps"

	"github.com/keybearer/keybearer/secret"
)

// tokenFieldNames are the fields of a token answer, and what a response map of one can name.
func tokenFieldNames() []string {
	return []string{"access_token", "refresh_token", "token_type", "scope", "expires_in", "id_token"}
}

// tokenFields finds the fields of a token answer. What the map names is where the map says or nowhere:
// Slack has another token under the standard name than under authed_user.
func tokenFields(doc any, m ResponseMap) map[string]any {
	fields := map[string]any{}
	object, _ := doc.(map[string]any)
	for _, name := range tokenFieldNames() {
		if value := object[name]; value != nil {
			fields[name] = value
		}
	}
	if scopes := object["scopes"]; fields["scope"] == nil && scopes != nil { // Bitbucket, HubSpot
		fields["scope"] = scopes
	}
	for name, expr := range m {
		if !expr.IsZero() {
			delete(fields, name)
		}
	}
	maps.Copy(fields, m.Apply(doc))
	return fields
}

// token reads a token: a text, or a number that somebody forgot to quote.
func token(value any) secret.String {
	switch value := value.(type) {
	case string:
		return secret.New(value)
	case json.Number:
		return secret.New(value.String())
	}
	return secret.String{}
}

// scopeList reads scopes: a text, or a list of texts (Twitch, Linear).
func scopeList(value any, delimiter string) []string {
	switch value := value.(type) {
	case string:
		return SplitScopes(value, delimiter)
	case []any:
		var out []string
		for _, item := range value {
			out = append(out, SplitScopes(text(item), delimiter)...)
		}
		return out
	}
	return nil
}

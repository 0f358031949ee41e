package pages

import "strings"

// scope is one line of the list of what is asked for: the provider's own word, and where it is
// known what that means.
type scope struct{ Name, Meaning string }

func describe(names []string) []scope {
	scopes := make([]scope, 0, len(names))
	for _, name := range names {
		scopes = append(scopes, scope{Name: clean(name, 200), Meaning: meaning(name)})
	}
	return scopes
}

// meaning says what a scope means: the standard ones (OpenID Connect Core sections 5.4 and 11), and
// those that read "verb:things", which many providers use. It guesses at nothing else.
func meaning(name string) string {
	switch name {
	case "openid":
		return "Know who you are"
	case "profile":
		return "See your name and profile"
	case "email":
		return "See your e-mail address"
	case "address":
		return "See your postal address"
	case "phone":
		return "See your telephone number"
	case "offline_access":
		return "Keep this access while you are away"
	case "read:me":
		return "See your profile"
	}
	verb, things, ok := strings.Cut(name, ":")
	if !ok || things == "" || strings.ContainsAny(things, "/.") {
		return ""
	}
	does, ok := map[string]string{
		"read": "Read", "write": "Change", "delete": "Delete", "manage": "Manage", "admin": "Administer", "create": "Create", "update": "Change",
	}[verb]
	if !ok {
		return ""
	}
	words := strings.FieldsFunc(things, func(c rune) bool { return c == '-' || c == '_' || c == ':' })
	for i, word := range words {
		if word == "jira" || word == "confluence" {
			words[i] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return does + " " + strings.Join(words, " ")
}

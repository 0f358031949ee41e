package atlassiantest

import "strings"

// offline asks for a refresh token. It is never added in the console.
const offline = "offline_access"

// DefaultScopes are the console scopes of an app that names none: the classic
// ones and those granular ones that clients use most, or that the APIs here take.
func DefaultScopes() []string {
	return []string{
		"read:me", "read:account",

		"read:jira-user", "read:jira-work", "write:jira-work", "manage:jira-project",
		"manage:jira-configuration", "manage:jira-webhook",
		"read:servicedesk-request", "write:servicedesk-request", "manage:servicedesk-customer",

		"read:confluence-space.summary", "read:confluence-props", "read:confluence-content.all",
		"read:confluence-content.summary", "read:confluence-content.permission", "read:confluence-user",
		"read:confluence-groups", "write:confluence-content", "write:confluence-space",
		"write:confluence-file", "write:confluence-props", "write:confluence-groups",
		"manage:confluence-configuration", "search:confluence", "readonly:content.attachment:confluence",

		"read:application-role:jira", "read:audit-log:jira", "read:avatar:jira", "read:field:jira",
		"read:group:jira", "read:issue:jira", "read:issue-details:jira", "read:jql:jira",
		"read:project:jira", "read:user:jira", "write:issue:jira", "write:comment:jira",
		"read:board-scope:jira-software", "read:sprint:jira-software", "write:sprint:jira-software",

		"delete:issue:jira", "read:comment.property:jira", "read:comment:jira", "read:field-configuration:jira",
		"read:field.default-value:jira", "read:field.option:jira", "read:issue-meta:jira", "read:issue-security-level:jira",
		"read:issue-type-hierarchy:jira", "read:issue-type:jira", "read:issue.changelog:jira", "read:issue.transition:jira",
		"read:issue.vote:jira", "read:project-category:jira", "read:project-role:jira", "read:project-version:jira",
		"read:project.component:jira", "read:project.property:jira", "read:status:jira", "write:attachment:jira",
		"write:comment.property:jira", "write:issue.property:jira",

		"read:content:confluence", "write:content:confluence", "delete:content:confluence",
		"read:page:confluence", "write:page:confluence", "delete:page:confluence",
		"read:space:confluence", "write:space:confluence", "delete:space:confluence",
		"read:blogpost:confluence", "write:blogpost:confluence", "delete:blogpost:confluence",
		"read:comment:confluence", "write:comment:confluence", "delete:comment:confluence",
		"read:custom-content:confluence", "write:custom-content:confluence", "delete:custom-content:confluence",
		"read:template:confluence", "write:template:confluence", "read:label:confluence", "write:label:confluence",
		"read:content-details:confluence", "read:space-details:confluence", "read:audit-log:confluence",
		"read:watcher:confluence", "read:group:confluence", "read:user:confluence", "read:attachment:confluence",
	}
}

// product tells which product a scope belongs to: the last part of a granular
// scope (verb:resource:product), the start of a classic one (verb:product-thing).
// Scopes of the identity API belong to none.
func product(scope string) string {
	parts := strings.Split(scope, ":")
	switch last := parts[len(parts)-1]; {
	case len(parts) < 2:
		return ""
	case strings.HasPrefix(last, "jira-servicedesk"), strings.HasPrefix(last, "servicedesk"):
		return "servicedesk"
	case strings.HasPrefix(last, "jira"):
		return "jira"
	case strings.HasPrefix(last, "confluence"):
		return "confluence"
	default:
		return ""
	}
}

// openID reports whether a scope is one of OpenID Connect, which Atlassian
// does not offer to apps: with one of them the whole request fails.
func openID(scope string) bool {
	return scope == "openid" || scope == "profile" || scope == "email"
}

// explain puts a scope into words for the consent page.
func explain(scope string) string {
	switch scope {
	case "read:me":
		return "View your profile"
	case "read:account":
		return "View your account details"
	case offline:
		return "Keep this access while you are away"
	case "read:jira-user":
		return "View people in Jira"
	case "read:jira-work":
		return "View Jira projects and issues"
	case "write:jira-work":
		return "Create and change Jira issues"
	}
	verb, thing, _ := strings.Cut(scope, ":")
	thing, where, granular := strings.Cut(thing, ":")
	if !granular {
		where, thing, _ = strings.Cut(thing, "-")
	}
	if thing == "" {
		thing, where = where, ""
	}
	words := map[string]string{"read": "View", "readonly": "View", "write": "Create and change", "delete": "Delete", "manage": "Manage", "search": "Search"}
	sentence := words[verb] + " " + strings.NewReplacer("-", " ", ".", " ").Replace(thing)
	if words[verb] == "" {
		return scope
	}
	if where != "" {
		sentence += " in " + strings.ToUpper(where[:1]) + where[1:]
	}
	return sentence
}

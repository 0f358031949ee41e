package atlassian

import (
	"slices"
	"strings"

	"github.com/keybearer/keybearer"
)

// Operation is a call of an API of Atlassian Cloud, with the scopes that it takes: either the classic one
// or all granular ones. Most of the granular set fails like none of it.
type Operation struct {
	Product Product // "" for the profile, which belongs to none
	Access  Access
	Method  string
	// Path is that at the site, with {name} for what varies.
	Path string
	// Classic is the one classic scope that is enough, or "" if none is.
	Classic string
	// Granular are the scopes that are enough together, or nil if they are not known here.
	Granular []string
}

// Operations are those that this package knows. The scopes are from Atlassian's reference, where each
// operation has a line "OAuth 2.0 scopes required", and from its OpenAPI files (x-atlassian-oauth2-scopes):
//
//	https://developer.atlassian.com/cloud/jira/platform/rest/v3/
//	https://developer.atlassian.com/cloud/jira/software/rest/
//	https://developer.atlassian.com/cloud/jira/service-desk/rest/
//	https://developer.atlassian.com/cloud/confluence/rest/v1/ and .../v2/
//	https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/ (the profile)
//
// The list is new at each call, and the caller's.
func Operations() []Operation {
	project := []string{
		"read:issue-type:jira", "read:project:jira", "read:project.property:jira", "read:user:jira",
		"read:application-role:jira", "read:avatar:jira", "read:group:jira", "read:issue-type-hierarchy:jira",
		"read:project-category:jira", "read:project-version:jira", "read:project.component:jira",
	}
	comments := []string{
		"read:comment:jira", "read:comment.property:jira", "read:group:jira", "read:project:jira",
		"read:project-role:jira", "read:user:jira", "read:avatar:jira",
	}
	return []Operation{
		{"", Read, "GET", "/me", "read:me", nil},

		{Jira, Read, "GET", "/rest/api/3/myself", "read:jira-user", []string{
			"read:application-role:jira", "read:group:jira", "read:user:jira", "read:avatar:jira",
		}},
		{Jira, Read, "GET", "/rest/api/3/project/search", "read:jira-work", project},
		{Jira, Read, "GET", "/rest/api/3/project/{project}", "read:jira-work", slices.Clone(project)},
		{Jira, Read, "GET", "/rest/api/3/field", "read:jira-work", []string{
			"read:field:jira", "read:avatar:jira", "read:project-category:jira", "read:project:jira", "read:field-configuration:jira",
		}},
		{Jira, Read, "GET", "/rest/api/3/issue/{issue}", "read:jira-work", []string{
			"read:issue-meta:jira", "read:issue-security-level:jira", "read:issue.vote:jira", "read:issue.changelog:jira",
			"read:avatar:jira", "read:issue:jira", "read:status:jira", "read:user:jira", "read:field-configuration:jira",
		}},
		{Jira, Write, "POST", "/rest/api/3/issue", "write:jira-work", []string{
			"write:issue:jira", "write:comment:jira", "write:comment.property:jira", "write:attachment:jira", "read:issue:jira",
		}},
		{Jira, Write, "PUT", "/rest/api/3/issue/{issue}", "write:jira-work", []string{"write:issue:jira"}},
		{Jira, Write, "DELETE", "/rest/api/3/issue/{issue}", "write:jira-work", []string{"delete:issue:jira"}},
		{Jira, Read, "GET", "/rest/api/3/issue/{issue}/transitions", "read:jira-work", []string{
			"read:issue.transition:jira", "read:status:jira", "read:field-configuration:jira",
		}},
		{Jira, Write, "POST", "/rest/api/3/issue/{issue}/transitions", "write:jira-work", []string{
			"write:issue:jira", "write:issue.property:jira",
		}},
		{Jira, Read, "GET", "/rest/api/3/issue/{issue}/comment", "read:jira-work", comments},
		{Jira, Write, "POST", "/rest/api/3/issue/{issue}/comment", "write:jira-work", append([]string{"write:comment:jira"}, comments...)},
		// The same search wants other granular scopes by GET than by POST.
		{Jira, Read, "GET", "/rest/api/3/search/jql", "read:jira-work", []string{
			"read:issue-details:jira", "read:audit-log:jira", "read:avatar:jira", "read:field-configuration:jira", "read:issue-meta:jira",
		}},
		{Jira, Read, "POST", "/rest/api/3/search/jql", "read:jira-work", []string{
			"read:issue-details:jira", "read:field.default-value:jira", "read:field.option:jira", "read:field:jira", "read:group:jira",
		}},
		// Reading the audit log is an admin's right.
		{Jira, Admin, "GET", "/rest/api/3/auditing/record", "manage:jira-configuration", []string{"read:audit-log:jira", "read:user:jira"}},

		{Jira, Read, "GET", "/rest/agile/1.0/board", "", []string{"read:board-scope:jira-software", "read:project:jira"}},
		{Jira, Read, "GET", "/rest/agile/1.0/board/{board}/issue", "", []string{"read:board-scope:jira-software", "read:issue-details:jira"}},
		{Jira, Read, "GET", "/rest/agile/1.0/board/{board}/sprint", "", []string{"read:sprint:jira-software"}},
		{Jira, Write, "POST", "/rest/agile/1.0/sprint/{sprint}/issue", "", []string{"write:sprint:jira-software"}},

		{ServiceManagement, Read, "GET", "/rest/servicedeskapi/request", "read:servicedesk-request", nil},
		{ServiceManagement, Write, "POST", "/rest/servicedeskapi/request", "write:servicedesk-request", nil},

		// Version 1 takes classic scopes and these granular ones, version 2 granular ones only.
		{Confluence, Read, "GET", "/wiki/rest/api/user/current", "read:confluence-user", []string{"read:content-details:confluence"}},
		{Confluence, Read, "GET", "/wiki/rest/api/search", "search:confluence", []string{"read:content-details:confluence"}},
		{Confluence, Read, "GET", "/wiki/api/v2/spaces", "", []string{"read:space:confluence"}},
		{Confluence, Read, "GET", "/wiki/api/v2/pages", "", []string{"read:page:confluence"}},
		{Confluence, Read, "GET", "/wiki/api/v2/pages/{page}", "", []string{"read:page:confluence"}},
		{Confluence, Write, "POST", "/wiki/api/v2/pages", "", []string{"write:page:confluence"}},
		{Confluence, Write, "PUT", "/wiki/api/v2/pages/{page}", "", []string{"write:page:confluence"}},
		{Confluence, Write, "DELETE", "/wiki/api/v2/pages/{page}", "", []string{"delete:page:confluence"}},
	}
}

// FindOperation finds the operation of a request, by the path at the site or at the gateway. Jira's
// versions 2, 3 and latest take the same scopes. HEAD is GET.
func FindOperation(method, path string) (Operation, bool) {
	if method == "HEAD" {
		method = "GET"
	}
	asked := strings.Split(pathAtSite(path), "/")
	for _, o := range Operations() {
		if o.Method == method && fits(strings.Split(o.Path, "/"), asked) {
			return o, true
		}
	}
	return Operation{}, false
}

func pathAtSite(path string) string {
	path = strings.TrimSuffix(path, "/")
	if parts := strings.SplitN(path, "/", 5); len(parts) == 5 && parts[1] == "ex" {
		path = "/" + parts[4]
		if parts[2] == "confluence" && !strings.HasPrefix(path, "/wiki/") {
			path = "/wiki" + path
		}
	}
	for _, version := range []string{"/rest/api/2/", "/rest/api/latest/"} {
		if rest, found := strings.CutPrefix(path, version); found {
			return "/rest/api/3/" + rest
		}
	}
	return path
}

func fits(pattern, asked []string) bool {
	return slices.EqualFunc(pattern, asked, func(want, got string) bool {
		return want == got || strings.HasPrefix(want, "{") && got != ""
	})
}

// Permits reports whether a token with these scopes may do it, as far as scopes go.
func (o Operation) Permits(granted []string) bool {
	return o.Classic != "" && slices.Contains(granted, o.Classic) ||
		o.Granular != nil && keybearer.Covers(granted, o.Granular)
}

// Needs says in words what a token with these scopes lacks: "read:jira-user, or all of ... (missing ...)".
// It is "" if it lacks nothing.
func (o Operation) Needs(granted []string) string {
	if o.Permits(granted) {
		return ""
	}
	var missing []string
	for _, s := range o.Granular {
		if !slices.Contains(granted, s) {
			missing = append(missing, s)
		}
	}
	set := strings.Join(o.Granular, " ")
	switch {
	case len(o.Granular) == 0:
		return o.Classic
	case len(o.Granular) > 1:
		set = "all of " + set
	}
	if len(missing) < len(o.Granular) {
		set += " (missing " + strings.Join(missing, " ") + ")"
	}
	if o.Classic == "" {
		return set
	}
	return o.Classic + ", or " + set
}

package atlassian

import (
	"fmt"
	"slices"
	"strings"
)

// OfflineAccess is the scope without which Atlassian Cloud gives no refresh token, so that a connection
// lasts one hour. It is never added in the developer console.
const OfflineAccess = "offline_access"

// ManyScopes is how many scopes are too many for one authorization: Atlassian asks to stay below, and
// its front door has refused longer addresses with 414.
const ManyScopes = 50

// Access is how much is asked for. The text is the scope that Data Center has for it.
type Access string

// The levels, each with all that the one before has. SystemAdmin exists on Data Center; on Cloud it is Admin.
const (
	Read        Access = "READ"
	Write       Access = "WRITE"
	Admin       Access = "ADMIN"
	SystemAdmin Access = "SYSTEM_ADMIN"
)

// Covers reports whether somebody who has this level may do what takes the other one.
func (a Access) Covers(wanted Access) bool {
	order := []Access{Read, Write, Admin, SystemAdmin}
	have, want := slices.Index(order, a), slices.Index(order, wanted)
	return want >= 0 && have >= want
}

// ClassicScopes are the classic scopes of Atlassian Cloud for some products, and [OfflineAccess], sorted.
// They are few and Atlassian recommends them, but boards and sprints of Jira, and version 2 of Confluence's
// API, take granular ones only.
func ClassicScopes(access Access, products ...Product) []string {
	scopes := []string{OfflineAccess}
	for _, p := range products {
		for _, step := range classic(p) {
			if access.Covers(step.access) {
				scopes = append(scopes, step.scopes...)
			}
		}
	}
	return sorted(scopes)
}

type step struct {
	access Access
	scopes []string
}

// classic is what each level of a product adds to the one before.
// https://developer.atlassian.com/cloud/jira/platform/scopes-for-oauth-2-3LO-and-forge-apps/
// https://developer.atlassian.com/cloud/confluence/scopes-for-oauth-2-3LO-and-forge-apps/
func classic(p Product) []step {
	switch p {
	case Jira:
		return []step{
			{Read, []string{"read:jira-user", "read:jira-work"}},
			{Write, []string{"write:jira-work"}},
			{Admin, []string{"manage:jira-project", "manage:jira-configuration", "manage:jira-webhook"}},
		}
	case ServiceManagement:
		return []step{
			{Read, []string{"read:servicedesk-request"}},
			{Write, []string{"write:servicedesk-request"}},
			{Admin, []string{"manage:servicedesk-customer"}},
		}
	case Confluence:
		return []step{
			{Read, []string{
				"read:confluence-space.summary", "read:confluence-props", "read:confluence-content.all",
				"read:confluence-content.summary", "read:confluence-content.permission", "read:confluence-user",
				"read:confluence-groups", "search:confluence", "readonly:content.attachment:confluence",
			}},
			{Write, []string{
				"write:confluence-content", "write:confluence-space", "write:confluence-file", "write:confluence-props",
			}},
			{Admin, []string{"write:confluence-groups", "manage:confluence-configuration"}},
		}
	}
	return nil
}

// GranularScopes are the granular scopes of Atlassian Cloud that the operations in [Operations] need, for
// some products, and [OfflineAccess], sorted. Other operations may need more.
func GranularScopes(access Access, products ...Product) []string {
	scopes := []string{OfflineAccess}
	for _, o := range Operations() {
		if slices.Contains(products, o.Product) && access.Covers(o.Access) {
			scopes = append(scopes, o.Granular...)
		}
	}
	return sorted(scopes)
}

// DataCenterScopes are those of Data Center. Jira and Confluence have one scope per level, and one is
// enough; Bitbucket has some of its own, of which these are the ones for repositories. Nil for other products.
func DataCenterScopes(access Access, p Product) []string {
	switch p {
	case Jira, ServiceManagement, Confluence:
		return []string{string(access)}
	case Bitbucket:
		if access == SystemAdmin {
			return []string{string(SystemAdmin)}
		}
		return []string{"REPO_" + string(access)}
	}
	return nil
}

// ModuleScopes are what AtlassianApiModule asks for at Atlassian Cloud, for an integration that moves over
// and wants the same.
func ModuleScopes(p Product) []string {
	if p != Confluence {
		return sorted([]string{"read:audit-log:jira", "manage:jira-configuration", "read:jira-work", "read:jira-user", OfflineAccess})
	}
	scopes := []string{OfflineAccess}
	for _, thing := range []string{"content", "page", "blogpost", "custom-content", "comment", "space"} {
		scopes = append(scopes, "read:"+thing+":confluence", "write:"+thing+":confluence", "delete:"+thing+":confluence")
	}
	for _, thing := range []string{"template", "label"} {
		scopes = append(scopes, "read:"+thing+":confluence", "write:"+thing+":confluence")
	}
	for _, thing := range []string{"content-details", "space-details", "audit-log", "watcher", "group"} {
		scopes = append(scopes, "read:"+thing+":confluence")
	}
	return sorted(scopes)
}

func sorted(scopes []string) []string {
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// CheckScopes says what is wrong with a list of scopes for Atlassian Cloud, in sentences for an operator.
// Most of it would otherwise end on a page of Atlassian's in front of the user, with nothing coming back.
func CheckScopes(scopes []string) []string {
	var warnings []string
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	if n := len(scopes); n >= ManyScopes {
		warn("%d scopes are too many: keep below %d, or Atlassian may answer 414; one classic scope often does for many granular ones", n, ManyScopes)
	}
	if !slices.Contains(scopes, OfflineAccess) {
		warn("without %s there is no refresh token, and the connection lasts one hour: add it", OfflineAccess)
	}
	for _, s := range scopes {
		switch {
		case s == "openid" || s == "profile" || s == "email":
			warn("%s is a scope of OpenID Connect, which Atlassian does not offer to apps, and with it the whole request fails: take it out, and ask for read:me", s)
		case Admin.Covers(Access(s)) || s == string(SystemAdmin):
			warn("%s is a scope of Data Center: on Cloud ask for scopes such as %s", s, strings.Join(ClassicScopes(Read, Jira), " "))
		case s == "delete:jira-work":
			warn("delete:jira-work is in no list of Atlassian's: write:jira-work deletes, too")
		}
	}
	return warnings
}

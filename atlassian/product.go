package atlassian

import "strings"

// Product is what Atlassian calls a product or an app of a site.
type Product string

// The products. Bitbucket is one of Data Center only: Bitbucket Cloud has no sites and no gateway.
const (
	Jira              Product = "jira"
	ServiceManagement Product = "servicedesk" // answers behind Jira's part of the gateway
	Confluence        Product = "confluence"
	Bitbucket         Product = "bitbucket"
)

// String is the product's name for people.
func (p Product) String() string {
	switch p {
	case Jira:
		return "Jira"
	case ServiceManagement:
		return "Jira Service Management"
	case Confluence:
		return "Confluence"
	case Bitbucket:
		return "Bitbucket"
	}
	return string(p)
}

// ScopeProduct tells which product of Atlassian Cloud a scope belongs to, or "" for scopes of none
// (read:me, offline_access) and of products unknown here. A granular scope ends with its product
// (read:issue:jira), a classic one names it before the first hyphen (read:jira-work).
// https://developer.atlassian.com/cloud/jira/platform/scopes-for-oauth-2-3LO-and-forge-apps/
func ScopeProduct(scope string) Product {
	_, thing, found := strings.Cut(scope, ":")
	if !found {
		return ""
	}
	if at := strings.LastIndexByte(thing, ':'); at >= 0 {
		return namedProduct(thing[at+1:])
	}
	name, _, _ := strings.Cut(thing, "-")
	return namedProduct(name)
}

func namedProduct(name string) Product {
	switch name {
	case "jira", "jira-software":
		return Jira
	case "servicedesk", "jira-service-management":
		return ServiceManagement
	case "confluence":
		return Confluence
	}
	return ""
}

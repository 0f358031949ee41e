package atlassiantest

import "net/http"

// operations is the slice of the products' APIs, with the scopes of Atlassian's
// reference ("OAuth 2.0 scopes required") and OpenAPI files:
//
//	https://developer.atlassian.com/cloud/jira/platform/rest/v3/
//	https://developer.atlassian.com/cloud/jira/software/rest/
//	https://developer.atlassian.com/cloud/jira/service-desk/rest/
//	https://developer.atlassian.com/cloud/confluence/rest/v1/ and .../v2/
//
// {version} is 2, 3 or latest, which take the same scopes.
func operations() []operation {
	const api = "/rest/api/{version}"
	get, post, put, del := http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	project := []string{
		"read:issue-type:jira", "read:project:jira", "read:project.property:jira", "read:user:jira",
		"read:application-role:jira", "read:avatar:jira", "read:group:jira", "read:issue-type-hierarchy:jira",
		"read:project-category:jira", "read:project-version:jira", "read:project.component:jira",
	}
	oneIssue := []string{
		"read:issue-meta:jira", "read:issue-security-level:jira", "read:issue.vote:jira", "read:issue.changelog:jira",
		"read:avatar:jira", "read:issue:jira", "read:status:jira", "read:user:jira", "read:field-configuration:jira",
	}
	newIssue := []string{
		"write:issue:jira", "write:comment:jira", "write:comment.property:jira", "write:attachment:jira", "read:issue:jira",
	}
	comments := []string{
		"read:comment:jira", "read:comment.property:jira", "read:group:jira", "read:project:jira",
		"read:project-role:jira", "read:user:jira", "read:avatar:jira",
	}
	gone := func(method string) operation {
		return operation{method: method, path: api + "/search", product: "jira", work: (*Server).oldSearch}
	}
	return []operation{
		{method: get, path: api + "/serverInfo", product: "jira", public: true, work: (*Server).cloudInfo},
		{method: get, path: api + "/myself", product: "jira", classic: "read:jira-user", granular: []string{
			"read:application-role:jira", "read:group:jira", "read:user:jira", "read:avatar:jira",
		}, work: (*Server).myself},
		{method: get, path: api + "/project/search", product: "jira", classic: "read:jira-work", granular: project, public: true, work: (*Server).findProjects},
		{method: get, path: api + "/project/{project}", product: "jira", classic: "read:jira-work", granular: project, public: true, work: (*Server).oneProject},
		{method: get, path: api + "/field", product: "jira", classic: "read:jira-work", granular: []string{
			"read:field:jira", "read:avatar:jira", "read:project-category:jira", "read:project:jira", "read:field-configuration:jira",
		}, public: true, work: (*Server).listFields},

		// The same search wants other granular scopes by GET than by POST.
		gone(get), gone(post),
		{method: get, path: api + "/search/jql", product: "jira", classic: "read:jira-work", granular: []string{
			"read:issue-details:jira", "read:audit-log:jira", "read:avatar:jira", "read:field-configuration:jira", "read:issue-meta:jira",
		}, public: true, work: (*Server).searchIssues},
		{method: post, path: api + "/search/jql", product: "jira", classic: "read:jira-work", granular: []string{
			"read:issue-details:jira", "read:field.default-value:jira", "read:field.option:jira", "read:field:jira", "read:group:jira",
		}, public: true, work: (*Server).searchIssues},

		{method: post, path: api + "/issue", product: "jira", classic: "write:jira-work", granular: newIssue, work: (*Server).createIssue},
		{method: get, path: api + "/issue/{key}", product: "jira", classic: "read:jira-work", granular: oneIssue, public: true, work: (*Server).readIssue},
		{method: put, path: api + "/issue/{key}", product: "jira", classic: "write:jira-work", granular: []string{"write:issue:jira"}, issue: true, work: (*Server).changeIssue},
		{method: del, path: api + "/issue/{key}", product: "jira", classic: "write:jira-work", granular: []string{"delete:issue:jira"}, issue: true, work: (*Server).deleteIssue},
		{method: get, path: api + "/issue/{key}/transitions", product: "jira", classic: "read:jira-work", granular: []string{
			"read:issue.transition:jira", "read:status:jira", "read:field-configuration:jira",
		}, work: (*Server).listTransitions},
		{method: post, path: api + "/issue/{key}/transitions", product: "jira", classic: "write:jira-work", granular: []string{
			"write:issue:jira", "write:issue.property:jira",
		}, issue: true, work: (*Server).moveIssue},
		{method: get, path: api + "/issue/{key}/comment", product: "jira", classic: "read:jira-work", granular: comments, work: (*Server).listComments},
		{method: post, path: api + "/issue/{key}/comment", product: "jira", classic: "write:jira-work", granular: append([]string{"write:comment:jira"}, comments...), issue: true, work: (*Server).addComment},

		{method: get, path: api + "/auditing/record", product: "jira", admin: true, classic: "manage:jira-configuration", granular: []string{
			"read:audit-log:jira", "read:user:jira",
		}, work: (*Server).auditRecords},

		// Boards have no classic scope.
		{method: get, path: "/rest/agile/1.0/board", product: "jira", granular: []string{"read:board-scope:jira-software", "read:project:jira"}, work: (*Server).listBoards},
		{method: get, path: "/rest/servicedeskapi/request", product: "servicedesk", classic: "read:servicedesk-request", work: (*Server).listRequests},

		// Confluence's version 1 takes classic scopes, version 2 granular ones only.
		{method: get, path: "/wiki/rest/api/user/current", product: "confluence", classic: "read:confluence-user", granular: []string{"read:content-details:confluence"}, work: (*Server).wikiUser},
		{method: get, path: "/wiki/rest/api/search", product: "confluence", classic: "search:confluence", granular: []string{"read:content-details:confluence"}, work: (*Server).wikiSearch},
		{method: get, path: "/wiki/api/v2/spaces", product: "confluence", granular: []string{"read:space:confluence"}, work: (*Server).listSpaces},
		{method: get, path: "/wiki/api/v2/pages", product: "confluence", granular: []string{"read:page:confluence"}, work: (*Server).listPages},
		{method: get, path: "/wiki/api/v2/pages/{id}", product: "confluence", granular: []string{"read:page:confluence"}, work: (*Server).readPage},
		{method: post, path: "/wiki/api/v2/pages", product: "confluence", granular: []string{"write:page:confluence"}, work: (*Server).createPage},
		{method: put, path: "/wiki/api/v2/pages/{id}", product: "confluence", granular: []string{"write:page:confluence"}, work: (*Server).changePage},
		{method: del, path: "/wiki/api/v2/pages/{id}", product: "confluence", granular: []string{"delete:page:confluence"}, work: (*Server).deletePage},
	}
}

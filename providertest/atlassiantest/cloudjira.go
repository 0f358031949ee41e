package atlassiantest

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer/providertest"
)

// api is the base URL of Jira's platform API as this call reached it.
func (v *visit) api() string { return v.base + "/rest/api/" + v.Request.PathValue("version") }

// rich reports the version of the API that has rich text as documents.
func (v *visit) rich() bool { return v.Request.PathValue("version") == "3" }

func (s *Server) cloudInfo(v *visit) *providertest.Answer {
	return providertest.JSON(http.StatusOK, map[string]any{
		"baseUrl": v.site.URL, "version": "1001.0.0-SNAPSHOT", "versionNumbers": []int{1001, 0, 0}, "deploymentType": "Cloud",
		"buildNumber": 100290, "buildDate": jiraTime(s.Now()), "serverTime": jiraTime(s.Now()), "scmInfo": "5a0d5a0d",
		"serverTitle": "Jira", "defaultLocale": map[string]string{"locale": "en_US"},
	})
}

func (s *Server) myself(v *visit) *providertest.Answer {
	return providertest.JSON(http.StatusOK, s.person(v, v.who.account))
}

// person is an account as Jira shows it.
func (s *Server) person(v *visit, a Account) map[string]any {
	return map[string]any{
		"self":      v.base + "/rest/api/3/user?accountId=" + url.QueryEscape(a.ID),
		"accountId": a.ID, "accountType": s.accountType(a), "emailAddress": a.Email, "displayName": a.Name,
		"active": true, "timeZone": a.TimeZone, "locale": "en_US",
		"avatarUrls": map[string]string{"48x48": "https://avatars.invalid/" + a.Key + ".png"},
	}
}

// visible lists the projects that a call sees: nobody sees the public one only.
func (v *visit) visible() []map[string]any {
	all := projects(v.api())
	if v.anonymous() {
		return slices.DeleteFunc(all, func(p map[string]any) bool { return p["key"] != publicProject })
	}
	return all
}

func (s *Server) findProjects(v *visit) *providertest.Answer {
	page := paged(v.Call, "values", v.visible())
	end := page["startAt"].(int) + len(page["values"].([]map[string]any))
	page["isLast"], page["self"] = end == page["total"].(int), v.api()+"/project/search"
	if end < page["total"].(int) {
		page["nextPage"] = v.api() + "/project/search?startAt=" + strconv.Itoa(end) + "&maxResults=" + strconv.Itoa(page["maxResults"].(int))
	}
	return providertest.JSON(http.StatusOK, page)
}

func (s *Server) oneProject(v *visit) *providertest.Answer {
	for _, p := range v.visible() {
		if name := v.Request.PathValue("project"); p["key"] == name || p["id"] == name {
			return providertest.JSON(http.StatusOK, p)
		}
	}
	return jiraError(http.StatusNotFound, "No project could be found with key '"+v.Request.PathValue("project")+"'.")
}

func (s *Server) listFields(*visit) *providertest.Answer {
	return providertest.JSON(http.StatusOK, fields())
}

// oldSearch is gone since 2025: its words say what to use.
func (s *Server) oldSearch(*visit) *providertest.Answer {
	return jiraError(http.StatusGone, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. "+
		"A full migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046")
}

// searchIssues pages by a token instead of a number, has no total, and shows
// nothing but ids unless it is asked for fields.
func (s *Server) searchIssues(v *visit) *providertest.Answer {
	jql := v.Get("jql")
	if where, _, _ := strings.Cut(" "+strings.ToLower(jql), " order by "); strings.TrimSpace(where) == "" {
		return jiraError(http.StatusBadRequest, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
	}
	if !regexp.MustCompile(`(?i)[=~<>]|\b(?:in|is|was)\b`).MatchString(jql) {
		return jiraError(http.StatusBadRequest, "Error in the JQL Query: Expecting operator but got the end of the query. The valid operators are '=', '!=', '<', '>', '<=', '>=', '~', '!~', 'IN', 'NOT IN', 'IS' and 'IS NOT'.")
	}
	start, err := pageStart(v.Get("nextPageToken"))
	if err != nil {
		return jiraError(http.StatusBadRequest, "The provided nextPageToken is invalid.")
	}
	size, err := strconv.Atoi(v.Get("maxResults"))
	if err != nil || size < 1 {
		size = 50
	}
	found := s.desks[v.site.ID].matching(jql, v.anonymous())
	start = min(start, len(found))
	end := min(start+min(size, 100), len(found))
	shown := []map[string]any{}
	for _, i := range found[start:end] {
		shown = append(shown, selected(i.json(v.api(), v.rich()), v))
	}
	page := map[string]any{"issues": shown, "isLast": end == len(found)}
	if end < len(found) {
		page["nextPageToken"] = pageToken(end)
	}
	return providertest.JSON(http.StatusOK, page)
}

// pageToken and pageStart keep the place in a list in a word without meaning.
func pageToken(start int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("from:" + strconv.Itoa(start)))
}

func pageStart(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(string(text), "from:"), 10, 16)
	return int(n), err
}

// selected keeps the fields that were asked for; none are asked for by default.
func selected(i map[string]any, v *visit) map[string]any {
	var want []string
	for _, list := range v.Params["fields"] {
		want = append(want, strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(`,[]" `, r) })...)
	}
	all := i["fields"].(map[string]any)
	if len(want) == 0 || slices.Equal(want, []string{"id"}) {
		return map[string]any{"id": i["id"]}
	}
	if !slices.Contains(want, "*all") && !slices.Contains(want, "*navigable") {
		for name := range all {
			if !slices.Contains(want, name) {
				delete(all, name)
			}
		}
	}
	return i
}

// matching understands of JQL the projects, keys and statuses that it names, and
// words that are to be in the summary or the description.
func (d *desk) matching(jql string, anonymous bool) []issue {
	restrict := regexp.MustCompile(`(?i)\b(project|key|issuekey|status)\s*(?:=|in)\s*\(?([^)&|]*?)\)?(?:\s+(?:and|or|order)\b|$)`)
	words := regexp.MustCompile(`(?i)\b(?:text|summary|description)\s*~\s*"([^"]*)"`)
	var found []issue
	for _, i := range d.issues {
		fits := !anonymous || i.Project == publicProject
		for _, m := range restrict.FindAllStringSubmatch(jql, -1) {
			is := map[string]string{"project": i.Project, "status": i.Status}[strings.ToLower(m[1])]
			is = cmp.Or(is, i.Key)
			fits = fits && slices.ContainsFunc(strings.Split(m[2], ","), func(value string) bool {
				return strings.EqualFold(strings.Trim(value, `"' `), is)
			})
		}
		for _, m := range words.FindAllStringSubmatch(jql, -1) {
			fits = fits && strings.Contains(strings.ToLower(i.Summary+"\n"+i.Description.Plain), strings.ToLower(m[1]))
		}
		if fits {
			found = append(found, i)
		}
	}
	return found
}

func (s *Server) auditRecords(v *visit) *providertest.Answer {
	return providertest.JSON(http.StatusOK, map[string]any{"offset": 0, "limit": 1000, "total": 1, "records": []any{map[string]any{
		"id": 1, "summary": "User added to group", "created": jiraTime(s.Now()), "category": "group management", "eventSource": "",
		"authorAccountId": v.who.account.ID, "objectItem": map[string]string{"name": "jira-users", "typeName": "GROUP"},
	}}})
}

func (s *Server) listBoards(v *visit) *providertest.Answer {
	board := map[string]any{
		"id": 1, "name": "Tea board", "type": "scrum", "self": v.base + "/rest/agile/1.0/board/1",
		"location": map[string]string{"projectKey": "TEA", "projectName": "Tea house"},
	}
	page := paged(v.Call, "values", []map[string]any{board})
	page["isLast"] = true
	return providertest.JSON(http.StatusOK, page)
}

// listRequests is Service Management's: its names of paging are its own.
func (s *Server) listRequests(v *visit) *providertest.Answer {
	return providertest.JSON(http.StatusOK, map[string]any{
		"size": 1, "start": 0, "limit": 50, "isLastPage": true, "values": []any{map[string]any{
			"issueId": "10900", "issueKey": "DESK-1", "requestTypeId": "11", "serviceDeskId": "1",
			"currentStatus": map[string]string{"status": "Waiting for support", "statusCategory": "NEW"},
			"reporter":      map[string]string{"accountId": v.who.account.ID, "displayName": v.who.account.Name},
			"_links":        map[string]string{"web": v.site.URL + "/servicedesk/customer/portal/1/DESK-1"},
		}}, "_links": map[string]string{"base": v.base, "context": "", "self": v.base + "/rest/servicedeskapi/request"},
	})
}

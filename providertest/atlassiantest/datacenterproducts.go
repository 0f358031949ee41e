package atlassiantest

import (
	"net/http"
	"strconv"

	"github.com/keybearer/keybearer/providertest"
)

// publicProject is what anonymous visitors of a Data Center see.
const publicProject = "GARDEN"

func (s *DataCenter) myself(c *providertest.Call, who visitor) *providertest.Answer {
	u := who.user
	return providertest.JSON(http.StatusOK, map[string]any{
		"self": s.base(c) + "/rest/api/2/user?username=" + u.Name, "name": u.Name, "key": s.userKey(u),
		"emailAddress": u.Email, "displayName": u.FullName, "active": true, "deleted": false, "timeZone": "Europe/Berlin", "locale": "en_US",
	})
}

// userKey stays when a user is renamed, which a name does not.
func (s *DataCenter) userKey(u User) string {
	for i, other := range s.config.Users {
		if other.Name == u.Name {
			return "JIRAUSER" + strconv.Itoa(10100+i)
		}
	}
	return ""
}

// sees reports whether a visitor sees an issue.
func sees(who visitor, i issue) bool { return !who.anonymous() || i.Project == publicProject }

func (s *DataCenter) search(c *providertest.Call, who visitor) *providertest.Answer {
	found := []map[string]any{}
	for _, i := range s.desk.matching(c.Get("jql"), who.anonymous()) {
		found = append(found, i.json(s.base(c)+"/rest/api/2", false))
	}
	return providertest.JSON(http.StatusOK, paged(c, "issues", found))
}

// paged cuts startAt and maxResults out of a list.
func paged(c *providertest.Call, name string, all []map[string]any) map[string]any {
	start, _ := strconv.Atoi(c.Get("startAt")) // what is no number is the start
	start = min(max(start, 0), len(all))
	size, err := strconv.Atoi(c.Get("maxResults"))
	if err != nil || size < 0 {
		size = 50
	}
	return map[string]any{
		"startAt": start, "maxResults": size, "total": len(all), name: all[start:min(start+size, len(all))],
	}
}

func (s *DataCenter) projects(c *providertest.Call, _ visitor) *providertest.Answer {
	return providertest.JSON(http.StatusOK, projects(s.base(c)+"/rest/api/2"))
}

func (s *DataCenter) fields(*providertest.Call, visitor) *providertest.Answer {
	return providertest.JSON(http.StatusOK, fields())
}

func (s *DataCenter) getIssue(c *providertest.Call, who visitor) *providertest.Answer {
	i, ok := s.desk.find(c.Request.PathValue("key"))
	if !ok || !sees(who, *i) {
		return jiraError(http.StatusNotFound, "Issue Does Not Exist")
	}
	return providertest.JSON(http.StatusOK, i.json(s.base(c)+"/rest/api/2", false))
}

func (s *DataCenter) createIssue(c *providertest.Call, _ visitor) *providertest.Answer {
	return s.desk.create(c, s.base(c)+"/rest/api/2", false, nil, s.Now())
}

func (s *DataCenter) putIssue(c *providertest.Call, _ visitor) *providertest.Answer {
	return s.desk.change(c, false)
}

// currentUser is Confluence's profile. It answers nobody too.
func (s *DataCenter) currentUser(_ *providertest.Call, who visitor) *providertest.Answer {
	if who.anonymous() {
		return providertest.JSON(http.StatusOK, map[string]any{"type": "anonymous", "displayName": "Anonymous"})
	}
	return providertest.JSON(http.StatusOK, map[string]any{
		"type": "known", "username": who.user.Name, "userKey": "4028" + s.userKey(who.user), "displayName": who.user.FullName,
	})
}

// content lists pages; anonymous visitors see none.
func (s *DataCenter) content(c *providertest.Call, who visitor) *providertest.Answer {
	results := []map[string]any{}
	for _, p := range wikiPages() {
		if !who.anonymous() {
			results = append(results, s.wikiPage(c, p))
		}
	}
	return providertest.JSON(http.StatusOK, map[string]any{
		"results": results, "start": 0, "limit": 25, "size": len(results), "_links": map[string]string{"base": s.base(c)},
	})
}

func (s *DataCenter) onePage(c *providertest.Call, _ visitor) *providertest.Answer {
	for _, p := range wikiPages() {
		if p.ID == c.Request.PathValue("id") {
			return providertest.JSON(http.StatusOK, s.wikiPage(c, p))
		}
	}
	return providertest.JSON(http.StatusNotFound, map[string]any{"statusCode": http.StatusNotFound, "message": "No content found with id: " + c.Request.PathValue("id")})
}

func (s *DataCenter) wikiPage(c *providertest.Call, p wikiPage) map[string]any {
	return map[string]any{
		"id": p.ID, "type": "page", "status": "current", "title": p.Title, "space": map[string]string{"key": wikiSpaceKey},
		"_links": map[string]string{"self": s.base(c) + "/rest/api/content/" + p.ID},
	}
}

package atlassiantest

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/keybearer/keybearer/providertest"
)

// bitbucketAPI is Bitbucket's slice. It has no call that says who one is: a
// client reads X-AUSERNAME of any answer and asks for the user of that name.
func (s *DataCenter) bitbucketAPI() map[string]func(*providertest.Call) *providertest.Answer {
	return map[string]func(*providertest.Call) *providertest.Answer{
		"GET /rest/api/{version}/application-properties": s.rest(forAll, s.applicationProperties),
		"GET /rest/api/{version}/users/{slug}":           s.rest(forReaders, s.bitbucketUser),
		"GET /rest/api/{version}/projects":               s.rest(forReaders, s.bitbucketProjects),
		"GET /rest/api/{version}/projects/{key}/repos":   s.rest(forReaders, s.bitbucketRepos),
		"GET /rest/auditing/1.0/events":                  s.rest(forAdmins, s.audit),
	}
}

func (s *DataCenter) applicationProperties(*providertest.Call, visitor) *providertest.Answer {
	return providertest.JSON(http.StatusOK, map[string]string{
		"version": s.config.Version, "buildNumber": "9004003", "buildDate": "1760000000000", "displayName": "Bitbucket",
	})
}

func (s *DataCenter) bitbucketUser(c *providertest.Call, _ visitor) *providertest.Answer {
	slug := c.Request.PathValue("slug")
	i := slices.IndexFunc(s.config.Users, func(u User) bool { return u.Name == slug })
	if i < 0 {
		return bitbucketError(http.StatusNotFound, "User "+slug+" does not exist.")
	}
	u := s.config.Users[i]
	return providertest.JSON(http.StatusOK, map[string]any{
		"id": 101 + i, "name": u.Name, "slug": u.Name, "displayName": u.FullName, "emailAddress": u.Email, "active": true, "type": "NORMAL",
		"links": map[string]any{"self": []any{map[string]string{"href": s.base(c) + "/users/" + u.Name}}},
	})
}

func (s *DataCenter) bitbucketProjects(c *providertest.Call, _ visitor) *providertest.Answer {
	var all []map[string]any
	for n, p := range projects("") {
		all = append(all, map[string]any{"id": n + 1, "key": p["key"], "name": p["name"], "public": p["key"] == publicProject, "type": "NORMAL"})
	}
	return bitbucketPage(c, all)
}

func (s *DataCenter) bitbucketRepos(c *providertest.Call, _ visitor) *providertest.Answer {
	key := c.Request.PathValue("key")
	if !slices.ContainsFunc(projects(""), func(p map[string]any) bool { return p["key"] == key }) {
		return bitbucketError(http.StatusNotFound, "Project "+key+" does not exist.")
	}
	return bitbucketPage(c, []map[string]any{{
		"id": 1, "slug": "recipes", "name": "Recipes", "scmId": "git", "state": "AVAILABLE", "public": key == publicProject, "project": map[string]string{"key": key},
	}})
}

// bitbucketPage pages as Bitbucket does: nextPageStart is null at the end.
func bitbucketPage(c *providertest.Call, all []map[string]any) *providertest.Answer {
	start, _ := strconv.Atoi(c.Get("start")) // what is no number is the start
	start = min(max(start, 0), len(all))
	limit := pageSize(c)
	end := min(start+limit, len(all))
	page := map[string]any{"start": start, "limit": limit, "size": end - start, "isLastPage": end == len(all), "values": all[start:end], "nextPageStart": nil}
	if end < len(all) {
		page["nextPageStart"] = end
	}
	return providertest.JSON(http.StatusOK, page)
}

func bitbucketError(status int, message string) *providertest.Answer {
	return providertest.JSON(status, map[string]any{"errors": []any{map[string]any{"context": nil, "message": message, "exceptionName": nil}}})
}

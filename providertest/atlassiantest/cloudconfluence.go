package atlassiantest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

func (s *Server) wikiUser(v *visit) *providertest.Answer {
	a := v.who.account
	return providertest.JSON(http.StatusOK, map[string]any{
		"type": "known", "accountId": a.ID, "accountType": s.accountType(a), "email": a.Email, "publicName": a.Name,
		"displayName": a.Name, "timeZone": a.TimeZone, "isExternalCollaborator": false,
		"_links": map[string]string{"self": v.base + "/wiki/rest/api/user?accountId=" + url.QueryEscape(a.ID), "base": v.site.URL + "/wiki", "context": "/wiki"},
	})
}

// wikiSearch is version 1's: numbers for pages, links relative to _links.base.
func (s *Server) wikiSearch(v *visit) *providertest.Answer {
	if v.Get("cql") == "" {
		return wikiError1(http.StatusBadRequest, "Missing required parameter: cql")
	}
	results := []map[string]any{}
	for _, p := range s.wikis[v.site.ID].pages {
		results = append(results, map[string]any{
			"title": p.Title, "excerpt": "", "url": "/spaces/" + wikiSpaceKey + "/pages/" + p.ID, "entityType": "content",
			"breadcrumbs": []any{}, "iconCssClass": "aui-icon content-type-page", "lastModified": s.Now().UTC().Format(time.RFC3339),
			"content": map[string]any{"id": p.ID, "type": "page", "status": "current", "title": p.Title},
		})
	}
	start, _ := strconv.Atoi(v.Get("start")) // what is no number is the start
	start = min(max(start, 0), len(results))
	limit := pageSize(v.Call)
	end := min(start+limit, len(results))
	links := map[string]string{"base": v.site.URL + "/wiki", "context": "/wiki", "self": v.base + "/wiki/rest/api/search"}
	if end < len(results) {
		links["next"] = "/rest/api/search?start=" + strconv.Itoa(end) + "&limit=" + strconv.Itoa(limit) + "&cql=" + url.QueryEscape(v.Get("cql"))
	}
	return providertest.JSON(http.StatusOK, map[string]any{
		"results": results[start:end], "start": start, "limit": limit, "size": end - start, "totalSize": len(results), "_links": links,
		"cqlQuery": v.Get("cql"), "searchDuration": 7,
	})
}

func (s *Server) listSpaces(v *visit) *providertest.Answer {
	all := []map[string]any{}
	for n, space := range [][2]string{{wikiSpaceKey, "Tea house"}, {"STAFF", "Staff"}} {
		all = append(all, map[string]any{
			"id": strconv.Itoa(65537 + n), "key": space[0], "name": space[1], "type": "global", "status": "current",
			"homepageId": "98310", "_links": map[string]string{"webui": "/spaces/" + space[0]},
		})
	}
	if keys := v.Params["keys"]; len(keys) > 0 {
		all = slices.DeleteFunc(all, func(space map[string]any) bool {
			return !slices.Contains(strings.Split(strings.Join(keys, ","), ","), space["key"].(string))
		})
	}
	return s.cursored(v, "/wiki/api/v2/spaces", all)
}

func (s *Server) listPages(v *visit) *providertest.Answer {
	all := []map[string]any{}
	for _, p := range s.wikis[v.site.ID].pages {
		all = append(all, p.json(v))
	}
	return s.cursored(v, "/wiki/api/v2/pages", all)
}

// cursored pages a list as version 2 does. The next page's address is in the
// header Link and in _links.next, both relative to the host of the site: a
// client of the gateway has to put what comes before /wiki in front of it.
func (s *Server) cursored(v *visit, path string, all []map[string]any) *providertest.Answer {
	start, err := pageStart(v.Get("cursor"))
	if err != nil {
		return wikiError2(http.StatusBadRequest, "INVALID_REQUEST_PARAMETER", "Provided value for 'cursor' is not valid.")
	}
	start = min(start, len(all))
	limit := pageSize(v.Call)
	end := min(start+limit, len(all))
	links := map[string]string{"base": v.site.URL + "/wiki"}
	answer := map[string]any{"results": all[start:end], "_links": links}
	if end == len(all) {
		return providertest.JSON(http.StatusOK, answer)
	}
	query := v.Request.URL.Query()
	query.Set("limit", strconv.Itoa(limit))
	query.Set("cursor", pageToken(end))
	links["next"] = path + "?" + query.Encode()
	return providertest.JSON(http.StatusOK, answer).With("Link", "<"+links["next"]+`>; rel="next"`)
}

// pageSize is the limit of a call: 25 by default, at most 250.
func pageSize(c *providertest.Call) int {
	limit, err := strconv.Atoi(c.Get("limit"))
	if err != nil || limit < 1 {
		return 25
	}
	return min(limit, 250)
}

// json is the page as version 2 shows it: the body only in a format that was
// asked for.
func (p wikiPage) json(v *visit) map[string]any {
	body := map[string]any{}
	if v.Request.URL.Query().Get("body-format") == "storage" {
		body["storage"] = map[string]string{"representation": "storage", "value": p.Body}
	}
	return map[string]any{
		"id": p.ID, "status": "current", "title": p.Title, "spaceId": wikiSpaceID, "parentType": nil, "parentId": nil,
		"authorId": v.who.account.ID, "version": map[string]any{"number": p.Version, "minorEdit": false}, "body": body,
		"_links": map[string]string{"webui": "/spaces/" + wikiSpaceKey + "/pages/" + p.ID, "base": v.site.URL + "/wiki"},
	}
}

func (s *Server) readPage(v *visit) *providertest.Answer {
	p := s.wikis[v.site.ID].find(v.Request.PathValue("id"))
	if p == nil {
		return wikiError2(http.StatusNotFound, "NOT_FOUND", "Not Found")
	}
	return providertest.JSON(http.StatusOK, p.json(v))
}

// pageDraft is what a client sends to create or change a page.
type pageDraft struct {
	SpaceID string `json:"spaceId"`
	Title   string `json:"title"`
	Body    struct {
		Value string `json:"value"`
	} `json:"body"`
	Version struct {
		Number int `json:"number"`
	} `json:"version"`
}

func (s *Server) createPage(v *visit) *providertest.Answer {
	sent := pageDraft{SpaceID: v.Get("spaceId"), Title: v.Get("title")}
	switch err := json.Unmarshal([]byte(v.Get("body")), &sent.Body); {
	case err != nil && v.Get("body") != "", sent.Title == "":
		return wikiError2(http.StatusBadRequest, "INVALID_REQUEST_PARAMETER", "A title is required, and the body has a representation and a value.")
	case sent.SpaceID != wikiSpaceID:
		return wikiError2(http.StatusNotFound, "NOT_FOUND", "There is no space with this id.")
	}
	return providertest.JSON(http.StatusOK, s.wikis[v.site.ID].add(sent.Title, sent.Body.Value).json(v))
}

// changePage wants the number of the version that it makes: another one means
// that somebody else was faster.
func (s *Server) changePage(v *visit) *providertest.Answer {
	p := s.wikis[v.site.ID].find(v.Request.PathValue("id"))
	if p == nil {
		return wikiError2(http.StatusNotFound, "NOT_FOUND", "Not Found")
	}
	var sent pageDraft
	if err := json.NewDecoder(io.LimitReader(v.Request.Body, maxSent)).Decode(&sent); err != nil || sent.Title == "" {
		return wikiError2(http.StatusBadRequest, "INVALID_REQUEST_PARAMETER", "The body is not a page.")
	}
	if sent.Version.Number != p.Version+1 {
		return wikiError2(http.StatusConflict, "CONFLICT", "Version must be incremented when updating a page. Current version: "+strconv.Itoa(p.Version))
	}
	p.Title, p.Body, p.Version = sent.Title, sent.Body.Value, sent.Version.Number
	return providertest.JSON(http.StatusOK, p.json(v))
}

func (s *Server) deletePage(v *visit) *providertest.Answer {
	w, id := s.wikis[v.site.ID], v.Request.PathValue("id")
	if w.find(id) == nil {
		return wikiError2(http.StatusNotFound, "NOT_FOUND", "Not Found")
	}
	w.pages = slices.DeleteFunc(w.pages, func(p wikiPage) bool { return p.ID == id })
	return noContent()
}

// wikiError1 and wikiError2 are the shapes of the two versions.
func wikiError1(status int, message string) *providertest.Answer {
	return providertest.JSON(status, map[string]any{"statusCode": status, "message": message, "data": map[string]any{"authorized": true, "valid": false, "errors": []string{}, "successful": false}})
}

func wikiError2(status int, code, title string) *providertest.Answer {
	return providertest.JSON(status, map[string]any{"errors": []any{map[string]any{"status": status, "code": code, "title": title, "detail": nil}}})
}

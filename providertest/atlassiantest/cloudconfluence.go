package atlassiantest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

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

func (s *Server) listSpaces(v *visit) *providertest.Answer {
	all := []map[string]any{}
	for _, space := range wikiSpaces() {
		all = append(all, map[string]any{
			"id": space.ID, "key": space.Key, "name": space.Name, "type": "global", "status": "current",
			"homepageId": "98310", "_links": map[string]string{"webui": "/spaces/" + space.Key},
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
	var parent any
	if p.Parent != "" {
		parent = p.Parent
	}
	return map[string]any{
		"id": p.ID, "status": "current", "title": p.Title, "spaceId": p.Space, "parentType": "page", "parentId": parent,
		"authorId": v.who.account.ID, "body": p.body(v.Request.URL.Query().Get("body-format")),
		"version": map[string]any{"number": p.Version, "minorEdit": false, "message": "", "createdAt": p.Changed.UTC().Format("2006-01-02T15:04:05.000Z")},
		"_links":  map[string]string{"webui": "/spaces/" + p.space().Key + "/pages/" + p.ID, "base": v.site.URL + "/wiki"},
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
	SpaceID  string `json:"spaceId"`
	ParentID string `json:"parentId"`
	Title    string `json:"title"`
	Body     struct {
		Representation string `json:"representation"`
		Value          string `json:"value"`
	} `json:"body"`
	Version struct {
		Number int `json:"number"`
	} `json:"version"`
}

func (s *Server) createPage(v *visit) *providertest.Answer {
	sent := pageDraft{SpaceID: v.Get("spaceId"), ParentID: v.Get("parentId"), Title: v.Get("title")}
	w := s.wikis[v.site.ID]
	switch err := json.Unmarshal([]byte(v.Get("body")), &sent.Body); {
	case err != nil && v.Get("body") != "", sent.Title == "":
		return wikiError2(http.StatusBadRequest, "INVALID_REQUEST_PARAMETER", "A title is required, and the body has a representation and a value.")
	case !slices.ContainsFunc(wikiSpaces(), func(space wikiSpace) bool { return space.ID == sent.SpaceID }):
		return wikiError2(http.StatusNotFound, "NOT_FOUND", "There is no space with this id.")
	case sent.ParentID != "" && w.find(sent.ParentID) == nil:
		return wikiError2(http.StatusNotFound, "NOT_FOUND", "There is no parent with this id.")
	}
	made := wikiPage{Title: sent.Title, Space: sent.SpaceID, Parent: sent.ParentID, Changed: s.Now()}
	if answer := made.take(w, sent); answer != nil {
		return answer
	}
	return providertest.JSON(http.StatusOK, w.add(made).json(v))
}

// take takes title and body of a draft, or says what is wrong with them.
func (p *wikiPage) take(w *wiki, sent pageDraft) *providertest.Answer {
	changed := *p
	changed.Title = sent.Title
	if w.taken(changed) {
		return wikiError2(http.StatusBadRequest, "INVALID_REQUEST_PARAMETER", "A page with this title already exists: A page already exists with the same TITLE in this space")
	}
	if !changed.write(sent.Body.Representation, sent.Body.Value) {
		return wikiError2(http.StatusBadRequest, "INVALID_REQUEST_PARAMETER", "Invalid body for the representation 'atlas_doc_format'.")
	}
	*p = changed
	return nil
}

// changePage wants the number of the version that it makes: another one means
// that somebody else was faster.
func (s *Server) changePage(v *visit) *providertest.Answer {
	w := s.wikis[v.site.ID]
	p := w.find(v.Request.PathValue("id"))
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
	if answer := p.take(w, sent); answer != nil {
		return answer
	}
	p.Version, p.Changed = sent.Version.Number, s.Now()
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

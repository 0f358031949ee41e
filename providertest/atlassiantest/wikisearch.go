package atlassiantest

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// wikiSearch is version 1's: numbers for pages, links relative to _links.base,
// and the words that were found marked in title and excerpt.
func (s *Server) wikiSearch(v *visit) *providertest.Answer {
	cql := v.Get("cql")
	if cql == "" {
		return wikiError1(http.StatusBadRequest, "Missing required parameter: cql")
	}
	if !regexp.MustCompile(`(?i)[=~<>]|\bin\b`).MatchString(cql) {
		return wikiError1(http.StatusBadRequest, "Could not parse cql : "+cql)
	}
	query := readCQL(cql)
	results := []map[string]any{}
	for _, p := range s.wikis[v.site.ID].pages {
		if !query.fits(p) {
			continue
		}
		space := p.space()
		results = append(results, map[string]any{
			"title": query.marked(p.Title), "excerpt": query.marked(p.text()), "url": "/spaces/" + space.Key + "/pages/" + p.ID, "entityType": "content",
			"breadcrumbs": []any{}, "iconCssClass": "aui-icon content-type-page", "lastModified": p.Changed.UTC().Format(time.RFC3339),
			"resultGlobalContainer": map[string]string{"title": space.Name, "displayUrl": "/spaces/" + space.Key},
			"content":               map[string]any{"id": p.ID, "type": "page", "status": "current", "title": p.Title},
		})
	}
	start, _ := strconv.Atoi(v.Get("start")) // what is no number is the start
	start = min(max(start, 0), len(results))
	limit := pageSize(v.Call)
	end := min(start+limit, len(results))
	links := map[string]string{"base": v.site.URL + "/wiki", "context": "/wiki", "self": v.base + "/wiki/rest/api/search"}
	if end < len(results) {
		links["next"] = "/rest/api/search?start=" + strconv.Itoa(end) + "&limit=" + strconv.Itoa(limit) + "&cql=" + url.QueryEscape(cql)
	}
	return providertest.JSON(http.StatusOK, map[string]any{
		"results": results[start:end], "start": start, "limit": limit, "size": end - start, "totalSize": len(results), "_links": links,
		"cqlQuery": cql, "searchDuration": 7,
	})
}

// cqlQuery is what is understood of CQL: the spaces, ids and types that it
// names, and words that are to be in the title or the text.
type cqlQuery struct {
	is    [][2]string // field and values
	has   [][2]string // field and words
	words []string
}

func readCQL(cql string) cqlQuery {
	var q cqlQuery
	is := regexp.MustCompile(`(?i)\b(space|id|type)\s*(?:=|in)\s*(\([^)]*\)|"[^"]*"|\w+)`)
	for _, m := range is.FindAllStringSubmatch(cql, -1) {
		q.is = append(q.is, [2]string{strings.ToLower(m[1]), strings.Trim(m[2], "()")})
	}
	has := regexp.MustCompile(`(?i)\b(title|text|siteSearch)\s*(?:=|~)\s*("(?:[^"\\]|\\.)*"|\w+)`)
	for _, m := range has.FindAllStringSubmatch(cql, -1) {
		text := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.Trim(m[2], `"`))
		q.has = append(q.has, [2]string{strings.ToLower(m[1]), strings.ToLower(text)})
		q.words = append(q.words, strings.Fields(text)...)
	}
	return q
}

func (q cqlQuery) fits(p wikiPage) bool {
	fits := true
	for _, m := range q.is {
		is, named := map[string]string{"space": p.space().Key, "id": p.ID, "type": "page"}[m[0]], false
		for value := range strings.SplitSeq(m[1], ",") {
			named = named || strings.EqualFold(strings.Trim(value, `"' `), is)
		}
		fits = fits && named
	}
	for _, m := range q.has {
		in := strings.ToLower(p.Title)
		if m[0] != "title" {
			in += "\n" + strings.ToLower(p.text())
		}
		for word := range strings.FieldsSeq(m[1]) {
			fits = fits && strings.Contains(in, word)
		}
	}
	return fits
}

// marked puts the marks of Confluence around the words that were found.
func (q cqlQuery) marked(text string) string {
	for _, word := range q.words {
		if at := strings.Index(strings.ToLower(text), strings.ToLower(word)); at >= 0 && at+len(word) <= len(text) {
			text = text[:at] + "@@@hl@@@" + text[at:at+len(word)] + "@@@endhl@@@" + text[at+len(word):]
		}
	}
	return strings.ToValidUTF8(text, "")
}

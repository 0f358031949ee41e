package atlassiantest

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/keybearer/keybearer/providertest"
)

// issueOf finds the issue that a call names. What a caller may not see is not
// there, in the same words.
func (s *Server) issueOf(v *visit) (*issue, *providertest.Answer) {
	i, ok := s.desks[v.site.ID].find(v.Request.PathValue("key"))
	if !ok || v.anonymous() && i.Project != publicProject {
		return nil, jiraError(http.StatusNotFound, "Issue does not exist or you do not have permission to see it.")
	}
	return i, nil
}

func (s *Server) createIssue(v *visit) *providertest.Answer {
	return s.desks[v.site.ID].create(v.Call, v.api(), v.rich(), s.person(v, v.who.account), s.Now())
}

func (s *Server) readIssue(v *visit) *providertest.Answer {
	i, answer := s.issueOf(v)
	if answer != nil {
		return answer
	}
	all := i.json(v.api(), v.rich())
	if v.Get("fields") != "" {
		all = selected(all, v)
	}
	return providertest.JSON(http.StatusOK, all)
}

func (s *Server) changeIssue(v *visit) *providertest.Answer {
	return s.desks[v.site.ID].change(v.Call, v.rich())
}

func (s *Server) deleteIssue(v *visit) *providertest.Answer {
	i, answer := s.issueOf(v)
	if answer != nil {
		return answer
	}
	d, id := s.desks[v.site.ID], i.ID
	d.issues = slices.DeleteFunc(d.issues, func(i issue) bool { return i.ID == id })
	return noContent()
}

func (s *Server) listTransitions(v *visit) *providertest.Answer {
	if _, answer := s.issueOf(v); answer != nil {
		return answer
	}
	return providertest.JSON(http.StatusOK, transitions())
}

func (s *Server) moveIssue(v *visit) *providertest.Answer {
	i, answer := s.issueOf(v)
	if answer != nil {
		return answer
	}
	i.Updated = s.Now()
	return i.move(v.Get("transition"))
}

func (s *Server) listComments(v *visit) *providertest.Answer {
	i, answer := s.issueOf(v)
	if answer != nil {
		return answer
	}
	all := []map[string]any{}
	for _, c := range i.Comments {
		all = append(all, c.json(v, *i))
	}
	if v.Get("orderBy") == "-created" {
		slices.Reverse(all)
	}
	return providertest.JSON(http.StatusOK, paged(v.Call, "comments", all))
}

func (s *Server) addComment(v *visit) *providertest.Answer {
	i, answer := s.issueOf(v)
	if answer != nil {
		return answer
	}
	text, ok := readText(v.Get("body"), v.rich())
	if !ok || text.Plain == "" {
		return fieldError("comment", "Comment body is not valid!")
	}
	made := comment{ID: 20000, Text: text, By: s.person(v, v.who.account), At: s.Now()}
	if n := len(i.Comments); n > 0 {
		made.ID = i.Comments[n-1].ID + 1
	}
	if len(i.Comments) == maxComments {
		i.Comments = slices.Delete(i.Comments, 0, 1)
	}
	i.Comments = append(i.Comments, made)
	return providertest.JSON(http.StatusCreated, made.json(v, *i))
}

// json is the comment as the API shows it.
func (c comment) json(v *visit, i issue) map[string]any {
	id := strconv.Itoa(c.ID)
	return map[string]any{
		"id": id, "self": v.api() + "/issue/" + i.ID + "/comment/" + id, "body": c.Text.written(v.rich()),
		"author": c.By, "updateAuthor": c.By, "jsdPublic": true, "created": jiraTime(c.At), "updated": jiraTime(c.At),
	}
}

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
	return s.desks[v.site.ID].create(v.Call, v.api(), v.rich())
}

func (s *Server) readIssue(v *visit) *providertest.Answer {
	i, answer := s.issueOf(v)
	if answer != nil {
		return answer
	}
	return providertest.JSON(http.StatusOK, i.json(v.api(), v.rich()))
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
	return i.move(v.Get("transition"))
}

func (s *Server) listComments(v *visit) *providertest.Answer {
	i, answer := s.issueOf(v)
	if answer != nil {
		return answer
	}
	all := []map[string]any{}
	for n, text := range i.Comments {
		all = append(all, s.comment(v, *i, n, text))
	}
	return providertest.JSON(http.StatusOK, paged(v.Call, "comments", all))
}

func (s *Server) addComment(v *visit) *providertest.Answer {
	i, answer := s.issueOf(v)
	if answer != nil {
		return answer
	}
	text, ok := readText(v.Get("body"), v.rich())
	if !ok || text == "" {
		return fieldError("comment", "Comment body is not valid!")
	}
	if len(i.Comments) == maxComments {
		i.Comments = slices.Delete(i.Comments, 0, 1)
	}
	i.Comments = append(i.Comments, text)
	return providertest.JSON(http.StatusCreated, s.comment(v, *i, len(i.Comments)-1, text))
}

func (s *Server) comment(v *visit, i issue, n int, text string) map[string]any {
	id := strconv.Itoa(20000 + n)
	return map[string]any{
		"id": id, "self": v.api() + "/issue/" + i.ID + "/comment/" + id, "body": writtenText(text, v.rich()),
		"author": s.person(v, v.who.account), "updateAuthor": s.person(v, v.who.account), "jsdPublic": true,
		"created": jiraTime(s.Now()), "updated": jiraTime(s.Now()),
	}
}

package atlassiantest

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/keybearer/keybearer/providertest"
)

//go:embed pages.html
var pagesHTML string

// pages are the pages that people see.
type pages struct{ *template.Template }

func parsePages() pages {
	return pages{template.Must(template.New("pages").Funcs(template.FuncMap{
		"initial": func(name string) string { return name[:min(1, len(name))] },
		"join":    func(list []string) string { return strings.Join(list, ", ") },
	}).Parse(pagesHTML))}
}

func (p pages) show(status int, name string, data any) *providertest.Answer {
	var page strings.Builder
	if err := p.ExecuteTemplate(&page, name, data); err != nil {
		return providertest.HTML(http.StatusInternalServerError, "The page "+name+" cannot be shown.")
	}
	return providertest.HTML(status, page.String())
}

// somethingWrong is the page that the real service shows for most mistakes. It
// says there that the request was incomplete or invalid and no more; the
// sandbox adds what was wrong.
func (s *Server) somethingWrong(c *providertest.Call, reason, detail string) *providertest.Answer {
	return s.trouble(c, http.StatusBadRequest, reason, "Something went wrong",
		"The authorize request was incomplete or invalid. "+detail)
}

// trouble ends the request on a page: the client never hears of it.
func (s *Server) trouble(c *providertest.Call, status int, reason, title, text string) *providertest.Answer {
	c.Record.Outcome, c.Record.Reason = providertest.Refused, reason
	return s.pages.show(status, "trouble", map[string]string{"Title": title, "Text": text})
}

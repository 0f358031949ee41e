package providertest

import (
	"crypto/subtle"
	_ "embed"
	"html/template"
	"net/http"
	"strings"
)

//go:embed pages.html
var pagesHTML string

func parsePages() *template.Template {
	return template.Must(template.New("pages").Parse(pagesHTML))
}

func (s *Server) page(status int, name string, data any) *Answer {
	var page strings.Builder
	if err := s.pages.ExecuteTemplate(&page, name, data); err != nil {
		return HTML(http.StatusInternalServerError, "The page "+name+" cannot be shown.")
	}
	return HTML(status, page.String())
}

// login is the form of the login page.
func (s *Server) login(c *Call) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, answer := s.waiting(c)
	if answer != nil {
		return answer
	}
	user, ok := s.user(c.Get("username"))
	if !ok || subtle.ConstantTimeCompare([]byte(user.Password), []byte(c.Get("password"))) != 1 {
		c.Record.Outcome, c.Record.Reason = Refused, "password"
		return s.page(http.StatusUnauthorized, "login", map[string]string{
			"Tx": a.tx, "Client": a.client, "Hint": c.Get("username"), "Problem": "Name or password is wrong.",
		})
	}
	a.user = user.Name
	c.Record.Client, c.Record.User, c.Record.Outcome = a.client, a.user, Asked
	return s.page(http.StatusOK, "consent", map[string]any{
		"Tx": a.tx, "Client": a.client, "User": a.user, "Scopes": a.scopes,
	})
}

// decide is the form of the consent page. It can be sent once.
func (s *Server) decide(c *Call) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, answer := s.waiting(c)
	if answer != nil {
		return answer
	}
	if a.user == "" {
		return s.stop(c, "not_signed_in", "Nobody is signed in.")
	}
	s.pending.Take(a.tx)
	return s.conclude(c, a, c.Get("decision") == "accept")
}

// waiting finds the request that a form belongs to.
func (s *Server) waiting(c *Call) (*asked, *Answer) {
	a, ok := s.pending.Get(c.Get("tx"))
	if !ok || !s.Now().Before(a.expires) {
		return nil, s.stop(c, "not_waiting", "This request was answered already or has waited too long.")
	}
	return a, nil
}

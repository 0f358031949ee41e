package providertest

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// asked is an authorization request that passed the checks and waits for a
// person.
type asked struct {
	tx        string // names it in the forms
	client    string
	redirect  string
	state     string
	scopes    []string
	challenge string
	nonce     string
	formPost  bool
	issuer    string
	user      string // empty until signed in
	expires   time.Time
}

// authorize checks an authorization request. As long as it is not certain who
// asks and where to go back to, mistakes are told on a page; after that they
// go back to the client (RFC 6749 section 4.1.2.1).
func (s *Server) authorize(c *Call) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, known := s.clients[c.Get("client_id")]
	switch {
	case c.Unreadable != "":
		return s.stop(c, "unreadable", "The parameters could not be read.")
	case slices.Contains(c.Repeated, "client_id"), slices.Contains(c.Repeated, "redirect_uri"):
		return s.stop(c, "repeated", "client_id and redirect_uri may come once.")
	case !known:
		return s.stop(c, "client_unknown", "There is no client with this client_id.")
	case !client.mayReturnTo(c.Get("redirect_uri")):
		return s.stop(c, "redirect_mismatch", "The redirect_uri is not one of the client's.")
	}
	a := &asked{
		client: client.ID, redirect: c.Get("redirect_uri"), state: c.Get("state"),
		scopes: s.scopesAsked(c), challenge: c.Get("code_challenge"), nonce: c.Get("nonce"),
		formPost: c.Get("response_mode") == "form_post", issuer: s.issuer(c),
		expires: s.Now().Add(10 * time.Minute),
	}
	if code, why := s.objection(c, client, a); code != "" {
		c.Record.Outcome, c.Record.Reason = Refused, why
		return s.back(c, a, url.Values{"error": {code}, "error_description": {why}})
	}
	return s.askOrDecide(c, a)
}

// objection returns the error that goes back to the client, if any.
func (s *Server) objection(c *Call, client Client, a *asked) (code, why string) {
	mode, method := c.Get("response_mode"), c.Get("code_challenge_method")
	switch {
	case len(c.Repeated) > 0:
		return "invalid_request", "parameters came more than once: " + strings.Join(c.Repeated, " ")
	case c.Get("response_type") == "":
		return "invalid_request", "response_type is missing"
	case c.Get("response_type") != "code":
		return "unsupported_response_type", "response_type must be code"
	case mode != "" && mode != "query" && mode != "form_post":
		return "invalid_request", "response_mode must be query or form_post"
	case a.challenge == "" && (s.config.RequirePKCE || client.Public):
		return "invalid_request", "code_challenge is missing"
	case a.challenge == "" && method != "":
		return "invalid_request", "code_challenge_method without code_challenge"
	case a.challenge != "" && method != "S256":
		return "invalid_request", "code_challenge_method must be S256"
	case a.challenge != "" && len(a.challenge) != 43:
		return "invalid_request", "code_challenge is not an S256 challenge"
	case len(a.scopes) == 0 && s.config.Scopes != nil:
		return "invalid_scope", "no scope was asked for"
	}
	for _, scope := range a.scopes {
		if s.config.Scopes != nil && !slices.Contains(s.config.Scopes, scope) && scope != s.config.OfflineScope {
			return "invalid_scope", "a scope is not known here: " + scope
		}
	}
	return "", ""
}

func (s *Server) scopesAsked(c *Call) []string {
	scopes := strings.Fields(c.Get("scope"))
	if len(scopes) == 0 {
		scopes = slices.Clone(s.config.DefaultScopes)
	}
	return scopes
}

// askOrDecide shows the login page, or lets the machine click.
func (s *Server) askOrDecide(c *Call, a *asked) *Answer {
	decision := s.Decision()
	if decision.Answer == "" || decision.Answer == "ask" {
		a.tx = rand.Text()
		s.pending.Put(a.tx, a)
		c.Record.Outcome = Asked
		return s.page(http.StatusOK, "login", map[string]string{"Tx": a.tx, "Client": a.client, "Hint": c.Get("login_hint")})
	}
	if decision.User != "" {
		if _, ok := s.user(decision.User); !ok {
			return s.stop(c, "user_unknown", "The decision names a user who does not exist.")
		}
		a.user = decision.User
	} else if hinted, ok := s.user(c.Get("login_hint")); ok {
		a.user = hinted.Name
	} else {
		a.user = s.config.Users[0].Name
	}
	return s.conclude(c, a, decision.Answer == "approve")
}

// conclude ends an authorization request with a code or access_denied.
func (s *Server) conclude(c *Call, a *asked, approved bool) *Answer {
	c.Record.Client, c.Record.User = a.client, a.user
	if !approved {
		c.Record.Outcome = Declined
		return s.back(c, a, url.Values{
			"error": {"access_denied"}, "error_description": {"The resource owner denied the request."},
		})
	}
	granted := a.scopes
	if s.config.Grant != nil {
		granted = s.config.Grant(a.user, slices.Clone(a.scopes))
	}
	code := "test-code-" + rand.Text()
	s.codes.Issue(code, ledger.Code{
		Client: a.client, User: a.user, Redirect: a.redirect, Challenge: a.challenge,
		Scopes: granted, Nonce: a.nonce, Expires: s.Now().Add(s.config.CodeLifetime),
	})
	c.Record.Outcome = Approved
	return s.back(c, a, url.Values{"code": {code}})
}

// back sends the person back to the client, errors included (RFC 9207 wants
// iss on both).
func (s *Server) back(c *Call, a *asked, params url.Values) *Answer {
	c.Record.Error = params.Get("error")
	if a.state != "" {
		params.Set("state", a.state)
	}
	if s.config.SendIss {
		params.Set("iss", a.issuer)
	}
	answer := Back(a.redirect, params)
	answer.Callback.FormPost = a.formPost
	return answer
}

// stop ends the request on a page.
func (s *Server) stop(c *Call, reason, text string) *Answer {
	c.Record.Outcome, c.Record.Reason = Refused, reason
	return s.page(http.StatusBadRequest, "trouble", text)
}

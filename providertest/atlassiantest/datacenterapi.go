package atlassiantest

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer/providertest"
)

// visitor is who a request comes from; the zero visitor is anonymous.
type visitor struct {
	user     User
	level    int
	rejected bool // credentials came and were not accepted
}

func (v visitor) anonymous() bool { return v.user.Name == "" }

// visitor looks at the credentials. Those that do not work make the request
// anonymous: only a wrong password is an error.
func (s *DataCenter) visitor(c *providertest.Call) (visitor, *providertest.Answer) {
	if token := c.Bearer(); token != "" {
		return s.bearer(c, token), nil
	}
	encoded, basic := strings.CutPrefix(c.Request.Header.Get("Authorization"), "Basic ")
	if !basic {
		return visitor{}, nil
	}
	if s.config.NoBasic {
		return visitor{}, jiraError(http.StatusForbidden, "Basic Authentication has been disabled on this instance.")
	}
	pair, _ := base64.StdEncoding.DecodeString(encoded) // a broken one is a wrong password
	name, password, _ := strings.Cut(string(pair), ":")
	user, ok := s.user(name)
	if !ok || password != user.Name {
		return visitor{}, jiraError(http.StatusUnauthorized, "Username or password is wrong.").
			With("X-Seraph-LoginReason", "AUTHENTICATED_FAILED").With("X-AUSERNAME", "anonymous")
	}
	return visitor{user: user, level: level(user.Level)}, nil
}

func (s *DataCenter) bearer(c *providertest.Call, token string) visitor {
	now := s.Now()
	if access, ok := s.access.Valid(token, now); ok {
		user, _ := s.user(access.User)
		c.Record.Client, c.Record.Family = access.Client, access.Family
		return visitor{user: user, level: min(level(user.Level), s.config.rank(access.Scopes[0]))}
	}
	if pat, ok := s.pats.Valid(token, now); ok && s.config.hasPATs() {
		user, _ := s.user(pat.User)
		return visitor{user: user, level: level(user.Level)}
	}
	return visitor{rejected: true}
}

// Ranks that an endpoint can ask for.
const (
	forAll = iota // anonymous people see less, but they see
	forReaders
	forWriters
	forAdmins
)

// rest makes an API endpoint: who is it, may they, and the headers that say so.
func (s *DataCenter) rest(need int, work func(*providertest.Call, visitor) *providertest.Answer) func(*providertest.Call) *providertest.Answer {
	return func(c *providertest.Call) *providertest.Answer {
		if s.config.Limited {
			c.Record.Error = "rate_limited"
			return s.failure(http.StatusTooManyRequests, "Rate limit exceeded.").
				With("X-RateLimit-Limit", "10").With("X-RateLimit-Remaining", "0").
				With("X-RateLimit-FillRate", "2").With("X-RateLimit-Interval-Seconds", "5").With("Retry-After", "5")
		}
		who, answer := s.visitor(c)
		switch {
		case answer != nil:
		case who.anonymous() && s.config.Anonymous == "page":
			answer = s.pages.show(http.StatusOK, "trouble", map[string]string{"Title": "Log in", "Text": "Please log in to continue."})
		case who.anonymous() && (s.config.Anonymous == "login" || need > forAll && strings.Contains(c.Request.Header.Get("Accept"), "text/html")):
			to := s.config.ContextPath + "/login.jsp?os_destination=" + url.QueryEscape(c.Request.URL.RequestURI())
			answer = &providertest.Answer{Status: http.StatusFound, Header: http.Header{"Location": {to}}}
		case who.anonymous() && need > forAll:
			answer = s.failure(http.StatusUnauthorized, "You do not have the permission to see the specified resource. Login Required").
				With("WWW-Authenticate", `OAuth realm="`+url.QueryEscape(s.base(c))+`"`)
		case who.level < need:
			answer = s.failure(http.StatusForbidden, "You do not have the permission to do this.")
		default:
			answer = work(c, who)
		}
		return s.sign(c, answer, who)
	}
}

// sign adds who the server took the request for.
func (s *DataCenter) sign(c *providertest.Call, answer *providertest.Answer, who visitor) *providertest.Answer {
	c.Record.User = who.user.Name
	switch {
	case who.rejected:
		c.Record.Reason = "not_accepted"
		answer.With("X-Seraph-LoginReason", "AUTHENTICATED_FAILED")
	case who.anonymous():
		return answer.With("X-AUSERNAME", "anonymous")
	default:
		answer.With("X-Seraph-LoginReason", "OK")
	}
	if who.anonymous() {
		return answer.With("X-AUSERNAME", "anonymous")
	}
	return answer.With("X-AUSERNAME", who.user.Name)
}

// failure answers in the product's shape.
func (s *DataCenter) failure(status int, message string) *providertest.Answer {
	if s.config.Product == Bitbucket {
		return bitbucketError(status, message)
	}
	return jiraError(status, message)
}

// jiraError answers in the products' shape.
func jiraError(status int, message string) *providertest.Answer {
	return providertest.JSON(status, map[string]any{"errorMessages": []string{message}, "errors": map[string]string{}})
}

// api is the product's slice of REST.
func (s *DataCenter) api() map[string]func(*providertest.Call) *providertest.Answer {
	type endpoints = map[string]func(*providertest.Call) *providertest.Answer
	common := endpoints{"GET /rest/applinks/latest/manifest": s.rest(forAll, s.manifest)}
	own := endpoints{
		"GET /rest/api/{version}/serverInfo":  s.rest(forAll, s.serverInfo),
		"GET /rest/api/{version}/myself":      s.rest(forReaders, s.myself),
		"GET /rest/api/{version}/search":      s.rest(forAll, s.search),
		"POST /rest/api/{version}/search":     s.rest(forAll, s.search),
		"GET /rest/api/{version}/project":     s.rest(forReaders, s.projects),
		"GET /rest/api/{version}/field":       s.rest(forReaders, s.fields),
		"POST /rest/api/{version}/issue":      s.rest(forWriters, s.createIssue),
		"GET /rest/api/{version}/issue/{key}": s.rest(forAll, s.getIssue),
		"PUT /rest/api/{version}/issue/{key}": s.rest(forWriters, s.putIssue),
		"GET /rest/auditing/1.0/events":       s.rest(forAdmins, s.audit),
	}
	switch s.config.Product {
	case Bitbucket:
		own = s.bitbucketAPI()
	case Confluence:
		own = endpoints{
			"GET /rest/api/user/current":    s.rest(forAll, s.currentUser),
			"GET /rest/api/content":         s.rest(forAll, s.content),
			"GET /rest/api/content/{id}":    s.rest(forReaders, s.onePage),
			"GET /rest/api/search":          s.rest(forAll, s.content),
			"GET /rest/auditing/1.0/events": s.rest(forAdmins, s.audit),
		}
	}
	for pattern, work := range own {
		common[pattern] = s.version2(pattern, work)
	}
	return common
}

// version2 keeps the API at its versions: Jira's are 2 and latest, Bitbucket's
// 1.0 and latest.
func (s *DataCenter) version2(pattern string, work func(*providertest.Call) *providertest.Answer) func(*providertest.Call) *providertest.Answer {
	if !strings.Contains(pattern, "{version}") {
		return work
	}
	return func(c *providertest.Call) *providertest.Answer {
		number := "2"
		if s.config.Product == Bitbucket {
			number = "1.0"
		}
		if v := c.Request.PathValue("version"); v != number && v != "latest" {
			return notHere(c)
		}
		return work(c)
	}
}

// manifest tells other products what this one is; it needs no login.
func (s *DataCenter) manifest(c *providertest.Call, _ visitor) *providertest.Answer {
	m := struct {
		XMLName xml.Name `json:"-" xml:"manifest"`
		ID      string   `json:"id" xml:"id"`
		Name    string   `json:"name" xml:"name"`
		TypeID  string   `json:"typeId" xml:"typeId"`
		Version string   `json:"version" xml:"version"`
		URL     string   `json:"url" xml:"url"`
	}{
		ID: "5a0d0000-0000-3000-8000-0000000000dc", Name: strings.ToUpper(s.config.Product[:1]) + s.config.Product[1:],
		TypeID: s.config.Product, Version: s.config.Version, URL: s.base(c),
	}
	answer := providertest.JSON(http.StatusOK, m)
	if !strings.Contains(c.Request.Header.Get("Accept"), "json") {
		body, _ := xml.Marshal(m) // text without anything that XML cannot hold
		answer.Body = append([]byte(xml.Header), body...)
		return answer.With("Content-Type", "application/xml")
	}
	return answer
}

func (s *DataCenter) serverInfo(c *providertest.Call, _ visitor) *providertest.Answer {
	var numbers []int
	for part := range strings.SplitSeq(s.config.Version, ".") {
		n, _ := strconv.Atoi(part) // checked by validVersion
		numbers = append(numbers, n)
	}
	return providertest.JSON(http.StatusOK, map[string]any{
		"baseUrl": s.base(c), "version": s.config.Version, "versionNumbers": numbers,
		"deploymentType": "Server", "serverTitle": "Sandbox Jira", "serverTime": s.Now().Format("2006-01-02T15:04:05.000-0700"),
	})
}

func (s *DataCenter) audit(c *providertest.Call, _ visitor) *providertest.Answer {
	return providertest.JSON(http.StatusOK, map[string]any{
		"pagingInfo": map[string]any{"lastPage": true, "size": 1},
		"entities": []any{map[string]any{
			"timestamp": s.Now().Format("2006-01-02T15:04:05.000Z07:00"), "source": "127.0.0.1",
			"author": map[string]string{"name": "alice", "type": "user"},
			"type":   map[string]string{"action": "Application link created", "category": "applications"},
		}},
	})
}

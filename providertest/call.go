package providertest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxBody bounds what a client may send.
const maxBody = 64 << 10

// Call is one request as an endpoint sees it: parameters read, nothing
// decided yet.
type Call struct {
	Request *http.Request
	// Params are the query's parameters of a GET and the body's of a POST.
	Params url.Values
	// Format is "query", "form" or "json".
	Format string
	// Repeated are the names of parameters that came more than once, which
	// RFC 6749 section 3.1 and 3.2 forbid.
	Repeated []string
	// Unreadable says why the parameters could not be read; empty if they could.
	Unreadable string
	// Record is what the history will say; the endpoint fills it in.
	Record *Record

	note func() // writes the record down before the answer is ready
}

// Get returns a parameter's first value. One that is sent without a value
// counts as omitted (RFC 6749 section 3.1).
func (c *Call) Get(name string) string { return c.Params.Get(name) }

// InQuery reports whether a POST carries this parameter in its URL.
func (c *Call) InQuery(name string) bool {
	return c.Request.Method == http.MethodPost && c.Request.URL.Query().Has(name)
}

// Base is scheme and host as the client wrote them.
func (c *Call) Base() string {
	scheme := "http"
	if c.Request.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + c.Request.Host
}

func readCall(r *http.Request, at Endpoint) *Call {
	c := &Call{Request: r, Params: url.Values{}, Record: &Record{
		Endpoint: at, Method: r.Method, Path: r.URL.Path, Outcome: Pending,
		ContentType: r.Header.Get("Content-Type"), Accept: r.Header.Get("Accept"),
		UserAgent: r.Header.Get("User-Agent"),
	}}
	if err := c.readParams(); err != nil {
		c.Unreadable = err.Error()
	}
	for name, values := range c.Params {
		if len(values) > 1 {
			c.Repeated = append(c.Repeated, name)
		}
	}
	slices.Sort(c.Repeated)
	c.Record.Params = hashed(c.Params)
	c.Record.Grant = cmp.Or(c.Get("grant_type"), r.URL.Query().Get("grant_type")) // Data Center takes it in the URL
	c.Record.Client, c.Record.Auth = c.presents()
	return c
}

// presents says which client the request names and how it authenticates,
// before anybody has checked it.
func (c *Call) presents() (client, auth string) {
	client = c.Get("client_id")
	scheme, _, _ := strings.Cut(c.Request.Header.Get("Authorization"), " ")
	basic, post := strings.EqualFold(scheme, "Basic"), c.Get("client_secret") != ""
	if id, _, ok := basicCredentials(c.Request, false); ok {
		client = id
	}
	switch {
	case basic && post:
		return client, "both"
	case basic:
		return client, AuthBasic
	case post:
		return client, AuthPost
	case c.Bearer() != "":
		return client, AuthBearer
	default:
		return client, "none"
	}
}

// Bearer is the token of the Authorization header, or empty.
func (c *Call) Bearer() string {
	scheme, token, _ := strings.Cut(c.Request.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

func (c *Call) readParams() error {
	query, queryErr := url.ParseQuery(c.Request.URL.RawQuery)
	if c.Request.Method != http.MethodPost {
		c.Format, c.Params = "query", query
		return queryErr
	}
	c.Record.QueryParams = hashed(query)
	body, err := io.ReadAll(io.LimitReader(c.Request.Body, maxBody+1))
	if err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	if len(body) > maxBody {
		return fmt.Errorf("the body is longer than %d bytes", maxBody)
	}
	kind, _, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	switch {
	case len(body) == 0:
		c.Format = "form"
		return nil
	case err != nil:
		return errors.New("the Content-Type is missing or malformed")
	case kind == "application/x-www-form-urlencoded":
		c.Format = "form"
		c.Params, err = url.ParseQuery(string(body))
		return err
	case kind == "application/json":
		c.Format = "json"
		c.Params, err = jsonParams(body)
		return err
	default:
		return errors.New("the Content-Type must be application/x-www-form-urlencoded or application/json")
	}
}

// jsonParams reads one flat object. Names that repeat are kept as such, which
// encoding/json would hide; values that are no text keep their JSON spelling.
func jsonParams(body []byte) (url.Values, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("the body is not a JSON object")
	}
	params := url.Values{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, errors.New("the body is not valid JSON")
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, errors.New("the body is not valid JSON")
		}
		var text string
		if json.Unmarshal(raw, &text) != nil || string(raw) == "null" {
			text = strings.TrimPrefix(string(raw), "null")
		}
		params.Add(name.(string), text)
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("the body is not valid JSON")
	}
	if dec.More() {
		return nil, errors.New("there is something after the JSON object")
	}
	return params, nil
}

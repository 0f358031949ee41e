package atlassian

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// The bounds of what is looked at of an answer. Errors are short; pages are told from their first bytes.
const (
	maxErrorBody = 16 << 10 // bytes
	maxSniffed   = 512
	maxSaid      = 200 // letters
)

// answer is a response with what was read of it.
type answer struct {
	*http.Response
	first  *http.Request // what was asked before redirects were followed; nil if nobody knows
	prefix []byte        // the beginning of the body, which can still be read in whole
}

func readAnswer(res *http.Response) answer {
	a := answer{Response: res, first: firstRequest(res.Request)}
	limit := maxErrorBody
	if a.succeeded() {
		limit = maxSniffed
	}
	if res.Body == nil || res.Body == http.NoBody || a.succeeded() && a.says("json") {
		return a
	}
	a.prefix, _ = io.ReadAll(io.LimitReader(res.Body, int64(limit))) // who reads the body meets the error
	res.Body = unread{io.MultiReader(bytes.NewReader(a.prefix), res.Body), res.Body}
	return a
}

// unread is a body of which something was read and put back.
type unread struct {
	io.Reader
	io.Closer
}

// firstRequest goes back over redirects: each request knows the answer that it came of.
func firstRequest(r *http.Request) *http.Request {
	const most = 20 // twice what http.Client follows
	for range most {
		if r == nil || r.Response == nil || r.Response.Request == nil {
			break
		}
		r = r.Response.Request
	}
	return r
}

func (a answer) succeeded() bool {
	return a.StatusCode/100 == 2 || a.StatusCode == http.StatusNotModified
}

func (a answer) redirected() bool { return a.StatusCode/100 == 3 && !a.succeeded() }

func (a answer) method() string {
	if a.first == nil || a.first.Method == "" {
		return http.MethodGet
	}
	return a.first.Method
}

func (a answer) url() *url.URL {
	if a.first == nil || a.first.URL == nil {
		return &url.URL{}
	}
	return a.first.URL
}

// host is where the request went, as its server saw it.
func (a answer) host() string {
	if a.first != nil && a.first.Host != "" {
		return a.first.Host
	}
	return a.url().Host
}

// scheme of the credentials that were sent, in lower case: "bearer", "basic", "" for none.
func (a answer) scheme() string {
	if a.first == nil {
		return "bearer" // nobody says otherwise
	}
	scheme, _, _ := strings.Cut(a.first.Header.Get("Authorization"), " ")
	return strings.ToLower(scheme)
}

// says looks for a word in the media type.
func (a answer) says(kind string) bool {
	media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	return err == nil && strings.Contains(media, kind)
}

// isPage reports whether the answer is a page for people, where an API answers JSON.
func (a answer) isPage() bool {
	if a.Header.Get("Content-Type") != "" {
		return a.says("html")
	}
	return strings.HasPrefix(http.DetectContentType(a.prefix), "text/html")
}

// message is the product's own sentence in a JSON error, or "". Its shapes: {"errorMessages":[...]} with
// {"errors":{field: text}} of Jira, {"code","message"} of the gateway and of Confluence, {"errors":[{"title",
// "detail"}]} of Confluence's version 2, {"error","error_description"} of OAuth.
func (a answer) message() string {
	var fields map[string]any
	if json.Unmarshal(a.prefix, &fields) != nil {
		return ""
	}
	for _, candidate := range []any{
		fields["errorMessages"], fields["message"], fields["errors"], fields["errorMessage"], fields["error_description"], fields["error"],
	} {
		if text := a.withoutSecret(printable(sentence(candidate), maxSaid)); text != "" {
			return text
		}
	}
	return ""
}

// sentence finds the text in one of the places where errors have theirs.
func sentence(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []any:
		if len(v) > 0 {
			return sentence(v[0])
		}
	case map[string]any:
		for _, name := range []string{"title", "message", "detail"} {
			if text, ok := v[name].(string); ok && text != "" {
				return text
			}
		}
		if len(v) == 1 { // Jira names the field that is wrong
			for field, text := range v {
				if text, ok := text.(string); ok {
					return field + ": " + text
				}
			}
		}
	}
	return ""
}

// withoutSecret drops a text that repeats the credentials of the request.
func (a answer) withoutSecret(text string) string {
	if a.first == nil {
		return text
	}
	if _, credentials, _ := strings.Cut(a.first.Header.Get("Authorization"), " "); credentials != "" && strings.Contains(text, credentials) {
		return ""
	}
	return text
}

// fromProduct reports whether Jira or Confluence itself answered, and not something before it: its errors have
// a shape of their own.
func (a answer) fromProduct() bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(a.prefix, &fields) != nil {
		return false
	}
	return fields["errorMessages"] != nil || fields["errors"] != nil || fields["statusCode"] != nil
}

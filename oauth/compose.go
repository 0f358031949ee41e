package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// userAgent goes with every request; several providers refuse requests without one.
const userAgent = "keybearer (+https://github.com/keybearer/keybearer)"

// newRequest fills in a request of the definition. No error of it contains a value.
func (c *Client) newRequest(ctx context.Context, method string, r Request, v values) (*http.Request, error) {
	if r.Method != "" {
		method = r.Method
	}
	u, err := url.Parse(r.Endpoint)
	if err != nil || u.Host == "" {
		return nil, errors.New("the endpoint is not an absolute URL")
	}
	params := expandParams(c.credentialParams(r), v, c.Definition.Delimiter())
	u.RawQuery = without(u.Query(), params, u.RawQuery)
	var body io.Reader
	contentType := ""
	switch {
	case len(params) == 0:
	case method == http.MethodGet:
		u.RawQuery = appended(u.RawQuery, form(params).Encode())
	case r.RequestContentType == ContentJSON:
		encoded, err := json.Marshal(params)
		if err != nil {
			return nil, errors.New("the params cannot be written as JSON")
		}
		body, contentType = bytes.NewReader(encoded), ContentJSON
	default:
		body, contentType = strings.NewReader(form(params).Encode()), ContentForm
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, errors.New("the endpoint is not an absolute URL")
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req, c.header(req, r, v)
}

// without gives the endpoint's own query, without what the params say as well: strict servers refuse
// a parameter that comes twice (RFC 6749 section 3.2).
func without(own url.Values, params map[string]string, raw string) string {
	twice := false
	for name := range params {
		twice = twice || own.Has(name)
		own.Del(name)
	}
	if !twice {
		return raw
	}
	return own.Encode()
}

func appended(query, more string) string {
	if query == "" {
		return more
	}
	return query + "&" + more
}

func form(params map[string]string) url.Values {
	out := make(url.Values, len(params))
	for name, value := range params {
		out.Set(name, value)
	}
	return out
}

// header sets the headers, those of the definition last. A value with a line break would be a header
// of its own.
func (c *Client) header(req *http.Request, r Request, v values) error {
	req.Header.Set("Accept", ContentJSON)
	req.Header.Set("User-Agent", userAgent)
	c.authorization(req, r, v)
	for name, template := range r.Headers {
		req.Header.Set(name, v.expand(template))
	}
	for name := range req.Header {
		if !headerName(name) || !headerValue(req.Header.Get(name)) {
			return fmt.Errorf("the header %q has characters that a header may not have", Clean(name, 60))
		}
	}
	return nil
}

func headerName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

func headerValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

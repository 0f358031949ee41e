package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Answer is a response before it is written: a fault can still bend it.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Callback, when set, takes the place of Status, Header and Body: the
	// person is sent back to the client.
	Callback *Return

	drop bool // close the connection without a word
}

// Return is the way back to the client's redirect URI.
type Return struct {
	RedirectURI string
	Params      url.Values
	FormPost    bool // by a self-submitting form instead of a redirect
}

// JSON answers with v as JSON and forbids caching (RFC 6749 section 5.1).
func JSON(status int, v any) *Answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("providertest: answer cannot be written as JSON: %v", err))
	}
	return &Answer{Status: status, Body: body, Header: http.Header{
		"Content-Type":  {"application/json"},
		"Cache-Control": {"no-store"},
		"Pragma":        {"no-cache"},
	}}
}

// Fail answers with an OAuth error (RFC 6749 section 5.2).
func Fail(status int, code, description string) *Answer {
	return JSON(status, map[string]string{"error": code, "error_description": description})
}

// HTML answers with a page. The page may not load or run anything from
// elsewhere; form-action is left open because browsers apply it to the
// redirect that follows a form, and that goes to the client.
func HTML(status int, page string) *Answer {
	return &Answer{Status: status, Body: []byte(page), Header: http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"},
		"Cache-Control":           {"no-store"},
		"Referrer-Policy":         {"no-referrer"},
		"X-Content-Type-Options":  {"nosniff"},
	}}
}

// Back sends the person back to the client.
func Back(redirectURI string, params url.Values) *Answer {
	return &Answer{Callback: &Return{RedirectURI: redirectURI, Params: params}}
}

// With sets a header and returns the answer.
func (a *Answer) With(name, value string) *Answer {
	a.Header.Set(name, value)
	return a
}

// resolve turns a Callback into what goes over the wire.
func (a *Answer) resolve() *Answer {
	switch back := a.Callback; {
	case back == nil:
		return a
	case back.FormPost:
		return formPost(back)
	default:
		separator := "?"
		if strings.Contains(back.RedirectURI, "?") {
			separator = "&"
		}
		return &Answer{Status: http.StatusFound, Header: http.Header{
			"Location":        {back.RedirectURI + separator + back.Params.Encode()},
			"Cache-Control":   {"no-store"},
			"Referrer-Policy": {"no-referrer"},
		}}
	}
}

func (a *Answer) write(w http.ResponseWriter) {
	if a.drop {
		// The one way that closes the connection under HTTP/1 and resets the
		// stream under HTTP/2; net/http does not log it.
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client may be gone; the history knows the answer
}

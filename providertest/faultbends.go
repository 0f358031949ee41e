package providertest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What the table of faults is made of.

const (
	absent    = ""
	elsewhere = "https://elsewhere.invalid/"
	script    = `<script>alert("keybearer")</script>`

	retryAfter = 7 * time.Second
)

type (
	before = func(*Call, string) *Answer
	after  = func(*Call, *Answer, string) *Answer
)

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// Answers in place of the endpoint.

func page(status int) before {
	return func(*Call, string) *Answer {
		return HTML(status, "<!doctype html><html><head><title>"+http.StatusText(status)+"</title></head><body><h1>Sign in to the network</h1></body></html>")
	}
}

func refuse(status int, code, description string) before {
	return func(c *Call, _ string) *Answer {
		c.Record.Error = code
		return Fail(status, code, description)
	}
}

func later(status int, code string) before {
	return func(c *Call, seconds string) *Answer {
		c.Record.Error = code
		return Fail(status, code, "Try again later.").With("Retry-After", or(seconds, "7"))
	}
}

func until(c *Call, date string) *Answer {
	c.Record.Error = "temporarily_unavailable"
	in := c.Record.Time.UTC().Add(retryAfter).Format(http.TimeFormat)
	return Fail(http.StatusServiceUnavailable, c.Record.Error, "Try again later.").With("Retry-After", or(date, in))
}

func redirect(status int) before {
	return func(_ *Call, to string) *Answer {
		return &Answer{Status: status, Header: http.Header{"Location": {or(to, elsewhere)}}}
	}
}

func raw(body func() string) before {
	return func(*Call, string) *Answer { return JSON(http.StatusOK, json.RawMessage(body())) }
}

func deepJSON() string {
	const depth = 200_000
	return `{"access_token":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
}

func invalidClient(c *Call, _ string) *Answer {
	c.Record.Error = "invalid_client"
	return Fail(http.StatusUnauthorized, "invalid_client", "Client authentication failed.").
		With("WWW-Authenticate", `Basic realm="token"`)
}

func echo(c *Call, _ string) *Answer {
	c.Record.Error = "invalid_request"
	id, secret, _ := c.Request.BasicAuth()
	return Fail(http.StatusBadRequest, "invalid_request", "Cannot understand "+c.Params.Encode()+" "+id+":"+secret)
}

func unauthorized(c *Call, _ string) *Answer {
	c.Record.Error = "invalid_token"
	return Fail(http.StatusUnauthorized, "invalid_token", "The access token is invalid.").
		With("WWW-Authenticate", `Bearer error="invalid_token"`)
}

// Bends of an answer's bytes.

// onSuccess bends successful answers only: a refusal is wrong enough.
func onSuccess(change func(*Answer)) after {
	return func(_ *Call, a *Answer, _ string) *Answer {
		if a.Status/100 == 2 {
			change(a)
		}
		return a
	}
}

// cutOff promises the whole body and sends half of it; net/http then closes
// the connection.
func cutOff(_ *Call, a *Answer, _ string) *Answer {
	a.Header.Set("Content-Length", strconv.Itoa(len(a.Body)+1))
	a.Body = a.Body[:len(a.Body)/2]
	return a
}

// padded puts n bytes in front of an object's other members, or of whatever
// else the body is.
func padded(body []byte, n int) []byte {
	if rest, ok := bytes.CutPrefix(body, []byte("{")); ok {
		return slices.Concat([]byte(`{"padding":"`), bytes.Repeat([]byte("x"), n), []byte(`",`), rest)
	}
	return append(bytes.Repeat([]byte(" "), n), body...)
}

func gzipBomb(_ *Call, a *Answer, _ string) *Answer {
	if a.Status/100 != 2 {
		return a
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	// Writing to memory does not fail.
	_, _ = zip.Write(padded(a.Body, 32<<20))
	_ = zip.Close()
	a.Body = packed.Bytes()
	return a.With("Content-Encoding", "gzip")
}

// withMember puts one more member in front of an object's others, known name
// or not.
func withMember(body []byte, name, value string) []byte {
	rest, ok := bytes.CutPrefix(body, []byte("{"))
	if !ok {
		return body
	}
	return slices.Concat([]byte(`{"`+name+`":`+value+`,`), rest)
}

// members is a JSON object whose values are left alone.
type members map[string]json.RawMessage

func (m members) replace(value string, names ...string) {
	for _, name := range names {
		if _, ok := m[name]; ok {
			m[name] = json.RawMessage(value)
		}
	}
}

// edit changes a JSON object; anything else stays as it is. Raw values may be
// no valid JSON on purpose, so the object is put together by hand.
func edit(body []byte, change func(members)) []byte {
	m := members{}
	if json.Unmarshal(body, &m) != nil {
		return body
	}
	change(m)
	parts := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, strconv.Quote(name)+":"+string(m[name]))
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

// member sets one member to a JSON value, or takes it out when that is absent.
func member(name, value string) after {
	return onSuccess(func(a *Answer) {
		a.Body = edit(a.Body, func(m members) {
			if value == absent {
				delete(m, name)
				return
			}
			m[name] = json.RawMessage(value)
		})
	})
}

func rename(from, to string) after {
	return onSuccess(func(a *Answer) {
		a.Body = edit(a.Body, func(m members) {
			if v, ok := m[from]; ok {
				m[to] = v
				delete(m, from)
			}
		})
	})
}

// scopes bends the scope, given as a list.
func scopes(change func([]string) any) after {
	return onSuccess(func(a *Answer) {
		a.Body = edit(a.Body, func(m members) {
			var scope string
			if json.Unmarshal(m["scope"], &scope) != nil {
				return
			}
			bent, err := json.Marshal(change(strings.Fields(scope)))
			if err == nil {
				m["scope"] = bent
			}
		})
	})
}

func scopeList(s []string) any  { return s }
func scopeComma(s []string) any { return strings.Join(s, ",") }
func scopeWider(s []string) any { return strings.Join(append(s, "extra.scope"), " ") }

func scopeNarrower(s []string) any {
	if len(s) > 0 {
		s = s[1:]
	}
	return strings.Join(s, " ")
}

func formEncoded(contentType string) func(*Answer) {
	return func(a *Answer) {
		var m members
		if json.Unmarshal(a.Body, &m) != nil {
			return
		}
		form := url.Values{}
		for name, value := range m {
			text := string(value)
			_ = json.Unmarshal(value, &text) // what is no string keeps its JSON spelling
			form.Set(name, text)
		}
		a.Body = []byte(form.Encode())
		a.Header.Set("Content-Type", contentType)
	}
}

// Bends of the way back to the client.

// param sets a parameter, to what the tester says if he says something;
// without a value it is removed.
func param(name string, value ...string) after {
	return func(_ *Call, a *Answer, said string) *Answer {
		a.Callback.Params.Del(name)
		if len(value) > 0 {
			a.Callback.Params.Set(name, or(said, value[0]))
		}
		return a
	}
}

func twice(name string) after {
	return func(_ *Call, a *Answer, _ string) *Answer {
		a.Callback.Params.Add(name, "another-"+name)
		return a
	}
}

func codeSuffix(_ *Call, a *Answer, _ string) *Answer {
	a.Callback.Params.Set("code", a.Callback.Params.Get("code")+"#_")
	return a
}

func codeHuge(_ *Call, a *Answer, _ string) *Answer {
	a.Callback.Params.Set("code", strings.Repeat("c", 16<<10))
	return a
}

func extraParams(_ *Call, a *Answer, _ string) *Answer {
	for name, value := range map[string]string{
		"realmId": "1234567890", "scope": "everything", "accounts-server": "https://elsewhere.invalid", "session_state": "x",
	} {
		a.Callback.Params.Set(name, value)
	}
	return a
}

func asFormPost(_ *Call, a *Answer, _ string) *Answer {
	a.Callback.FormPost = true
	return a
}

// comeBack answers an error in place of the code.
func comeBack(code, description string) after {
	return func(_ *Call, a *Answer, _ string) *Answer {
		params := a.Callback.Params
		params.Del("code")
		params.Set("error", code)
		if description != "" {
			params.Set("error_description", description)
		}
		return a
	}
}

func noReturn(*Call, *Answer, string) *Answer {
	return HTML(http.StatusOK, "<!doctype html><html><head><title>Something went wrong</title></head><body><h1>Something went wrong</h1><p>Close this tab and try again.</p></body></html>")
}

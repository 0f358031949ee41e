package providertest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

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

// padding is white space, which may stand before a JSON value.
const padding = " "

// padded puts n bytes in front of an object's other members, or of whatever
// else the body is.
func padded(body []byte, n int) []byte {
	if rest, ok := bytes.CutPrefix(body, []byte("{")); ok {
		return slices.Concat([]byte(`{"padding":"`), bytes.Repeat([]byte(padding), n), []byte(`",`), rest)
	}
	return append(bytes.Repeat([]byte(padding), n), body...)
}

func gzipBomb(_ *Call, a *Answer, _ string) *Answer {
	if a.Status/100 != 2 {
		return a
	}
	const all, piece = 16 << 20, 1 << 20
	head, tail, _ := bytes.Cut(padded(a.Body, piece), bytes.Repeat([]byte(padding), piece))
	// A gzip file may consist of several: one piece is enough to pack.
	a.Body = slices.Concat(packed(head), bytes.Repeat(packed(bytes.Repeat([]byte(padding), piece)), all/piece), packed(tail))
	return a.With("Content-Encoding", "gzip")
}

func packed(plain []byte) []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	// Writing to memory does not fail.
	_, _ = zip.Write(plain)
	_ = zip.Close()
	return out.Bytes()
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

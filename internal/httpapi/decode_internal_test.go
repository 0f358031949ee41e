package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `{"user_id":"alice","auth_requirement":{"provider_id":"hooli","oauth2":{"scopes":["a","b"]}}}`,
		`{"a":{"b":[{"c":1},{"c":2}],"b2":"\"{"},"d":null}`, `{"a":1,"A":2}`, `{"k":1,"\u212a":2}`, `{"a":[1,{"x":"]"}],"a":0}`,
		`{"id":"x","oauth2":{"client_id":1}}`, "{\"\xff\":1}", `{"":0,"":1}`, `[{}]`, `{"a":1}x`, `{"oauth2":{"token_request":{"response_map":{"scope":["a",1]}}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var into api.ProviderCreate
		var other api.AuthorizeRequest
		err := decode(body, &into)
		if err != nil && keybearer.KindOf(err) != keybearer.BadRequest {
			t.Errorf("got kind %s, want bad_request: %v", keybearer.KindOf(err), err)
		}
		_ = decode(body, &other)
		if err == nil && !acceptable(body) {
			t.Errorf("accepted %q, which is no JSON object with unique names", body)
		}
		if json.Valid(body) {
			name, found := repeatedName(body)
			if want, ok := slowlyRepeated(body); found != ok || found && folded(name) != folded(want) {
				t.Errorf("%q: got a repeated name %q %v, want %q %v", body, name, found, want, ok)
			}
		}
	})
}

func acceptable(body []byte) bool {
	text := string(bytes.TrimSpace(body))
	if text == "" || text == "null" {
		return true
	}
	_, repeated := slowlyRepeated(body)
	return json.Valid(body) && strings.HasPrefix(text, "{") && !repeated
}

// slowlyRepeated does what repeatedName does, with the tokens of encoding/json.
func slowlyRepeated(body []byte) (string, bool) {
	dec := json.NewDecoder(bytes.NewReader(body))
	name, found := "", false
	var value func(tok json.Token)
	next := func() json.Token {
		tok, err := dec.Token()
		if err != nil && err != io.EOF {
			return nil
		}
		return tok
	}
	value = func(tok json.Token) {
		switch tok {
		case json.Delim('['):
			for dec.More() && !found {
				value(next())
			}
		case json.Delim('{'):
			var seen []string
			for dec.More() && !found {
				key, _ := next().(string)
				for _, s := range seen {
					if strings.EqualFold(s, key) {
						name, found = key, true
						return
					}
				}
				seen = append(seen, key)
				value(next())
			}
		default:
			return
		}
		if !found {
			next()
		}
	}
	value(next())
	return name, found
}

func FuzzAPIKey(f *testing.F) {
	for _, seed := range []string{"", "arc_x", "Bearer arc_x", "bearer  x ", "Bearer", "Basic Zm9v", "\tBearer\tx"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key, err := apiKey([]string{header})
		if (err == nil) == key.IsZero() {
			t.Errorf("%q: got key %v and error %v, want one of them", header, !key.IsZero(), err)
		}
		if err == nil && !strings.Contains(header, key.Reveal()) {
			t.Errorf("%q: the key is not in the header", header)
		}
	})
}

package oauth

import (
	"cmp"
	"encoding/base64"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/keybearer/keybearer/secret"
)

const (
	// withheld takes the place of a text that repeats a secret in disguise.
	withheld = "text withheld: it repeats a secret of the request"
	// tooLong takes the place of a text that is longer than maxSaid bytes, which bounds the search.
	tooLong = "text withheld: it is very long"
	maxSaid = 4 << 10
)

// hider keeps the secrets of a request out of what its answer makes us say: providers echo requests.
type hider struct {
	secrets []string
	// cores are what every encoding leaves of the secrets; see core.
	cores []string
}

func newHider(v values) hider {
	var h hider
	for _, name := range []string{"client_secret", "code", "code_verifier", "device_code", "state", "refresh_token", "access_token", "token"} {
		h.add(v[name])
	}
	return h
}

func (h *hider) add(texts ...string) {
	for _, text := range texts {
		for _, form := range []string{text, printable(text)} {
			if form != "" && !slices.Contains(h.secrets, form) {
				h.secrets = append(h.secrets, form)
			}
		}
		for _, form := range []string{core(text), core(unescapedFully(text))} {
			if len(form) >= minCore && !slices.Contains(h.cores, form) {
				h.cores = append(h.cores, form)
			}
		}
	}
	// The longest first, or a secret that begins with another would leave its tail behind.
	slices.SortStableFunc(h.secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
}

// clean makes foreign text fit to be shown, without the secrets. It fails closed: where one of them
// shines through an encoding nothing is shown.
func (h hider) clean(text string, limit int) string {
	text = printable(text)
	if len(text) > maxSaid {
		return tooLong
	}
	for _, s := range h.secrets {
		text = strings.ReplaceAll(text, s, secret.Redacted)
	}
	if h.shinesThrough(text, 2) {
		return withheld
	}
	return cut(text, limit)
}

// The bounds of the search: layers of escapes one in the other, and letters of a secret that are told
// from chance.
const (
	maxLayers = 6
	minCore   = 4
)

// shinesThrough looks for the secrets below layers of URL, JSON and HTML escapes, and of base64 to the
// given depth.
func (h hider) shinesThrough(text string, depth int) bool {
	for range maxLayers {
		letters := core(text)
		if slices.ContainsFunc(h.cores, func(c string) bool { return strings.Contains(letters, c) }) {
			return true
		}
		if depth > 0 && slices.ContainsFunc(unbased(text), func(plain string) bool { return h.shinesThrough(plain, depth-1) }) {
			return true
		}
		inner := unescaped(text)
		if inner == text {
			return false
		}
		text = inner
	}
	return false
}

// core is the letters and digits of a text, in lower case: what stays when blanks become plus signs,
// and characters without a shape are put between letters.
func core(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

func unescapedFully(text string) string {
	for range maxLayers {
		text = unescaped(text)
	}
	return text
}

// unescaped undoes one layer of %XX, \uXXXX, \x and &name; escapes.
func unescaped(text string) string {
	if !strings.ContainsAny(text, `%\&`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '%' && hex(text, i+1, 2) >= 0:
			b.WriteByte(byte(hex(text, i+1, 2)))
			i += 2
		case c == '\\' && i+1 < len(text) && text[i+1] == 'u' && hex(text, i+2, 4) >= 0:
			b.WriteRune(rune(hex(text, i+2, 4)))
			i += 5
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return html.UnescapeString(b.String())
}

// hex reads n hexadecimal digits at i, or gives -1.
func hex(text string, i, n int) int64 {
	if i+n > len(text) {
		return -1
	}
	v, err := strconv.ParseUint(text[i:i+n], 16, 32)
	if err != nil {
		return -1
	}
	return int64(v)
}

// unbased decodes what could be base64 in a text, from each of the four places where its first
// group may begin. Blanks do not end it, since mail breaks it into lines.
func unbased(text string) []string {
	var out []string
	text = strings.NewReplacer("-", "+", "_", "/", " ", "").Replace(text)
	for run := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return r != '+' && r != '/' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		if len(run) < minCore*4/3 {
			continue
		}
		for start := range 4 {
			whole := run[start:]
			if len(whole)%4 == 1 {
				whole = whole[:len(whole)-1]
			}
			if plain, err := base64.RawStdEncoding.DecodeString(whole); err == nil {
				out = append(out, string(plain))
			}
		}
	}
	return out
}

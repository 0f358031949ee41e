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

// withheld takes the place of a text that repeats a secret in disguise.
const withheld = "text withheld: it repeats a secret of the request"

// hider keeps the secrets of a request out of what its answer makes us say: providers echo requests.
type hider struct{ secrets []string }

func newHider(v values) hider {
	var h hider
	for _, name := range []string{"client_secret", "code", "code_verifier", "state", "refresh_token", "access_token", "token"} {
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
	}
	// The longest first, or a secret that begins with another would leave its tail behind.
	slices.SortStableFunc(h.secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
}

// clean makes foreign text fit to be shown, without the secrets. It fails closed: where one of them
// shines through an encoding nothing is shown.
func (h hider) clean(text string, limit int) string {
	text = printable(text)
	for _, s := range h.secrets {
		text = strings.ReplaceAll(text, s, secret.Redacted)
	}
	if h.within(text) {
		return withheld
	}
	return cut(text, limit)
}

// within looks for the secrets through layers of URL, JSON, HTML and base64 encoding.
func (h hider) within(text string) bool {
	const layers = 4
	for range layers {
		for _, variant := range []string{text, strings.ReplaceAll(text, "+", " "), visible(text)} {
			if h.in(variant) || slices.ContainsFunc(unbased(variant), h.in) {
				return true
			}
		}
		inner := unescaped(text)
		if inner == text {
			return false
		}
		text = inner
	}
	return h.in(text)
}

func (h hider) in(text string) bool {
	plain := unescaped(text) // base64 of a Basic header has form-encoded halves
	for _, s := range h.secrets {
		if strings.Contains(text, s) || strings.Contains(plain, s) {
			return true
		}
	}
	return false
}

// visible drops characters without a shape, such as zero-width spaces between letters.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, text)
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
// group may begin.
func unbased(text string) []string {
	var out []string
	runs := strings.FieldsFunc(strings.NewReplacer("-", "+", "_", "/").Replace(text), func(r rune) bool {
		return r != '+' && r != '/' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	for _, run := range runs {
		for start := range min(4, len(run)) {
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

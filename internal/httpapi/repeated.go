package httpapi

import (
	"encoding/json"
	"unicode"
	"unicode/utf8"
)

// repeatedName finds a name that an object of a valid JSON text has twice. RFC 8259 section 4 leaves
// the meaning of such objects open, and encoding/json takes the last: somebody who reads the same
// bytes and takes the first would see another user. Names that encoding/json does not tell apart,
// since it ignores their case, count as one.
func repeatedName(text []byte) (name string, found bool) {
	type level struct {
		names    map[string]struct{} // nil in an array
		nameNext bool
	}
	var open []level
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			open = append(open, level{names: make(map[string]struct{}, 8), nameNext: true})
		case '[':
			open = append(open, level{})
		case '}', ']':
			open = open[:len(open)-1]
		case ',':
			top := &open[len(open)-1]
			top.nameNext = top.names != nil
		case '"':
			end := stringEnd(text, i)
			if len(open) > 0 && open[len(open)-1].nameNext {
				top := &open[len(open)-1]
				top.nameNext = false
				name := unquoted(text[i : end+1])
				key := folded(name)
				if _, ok := top.names[key]; ok {
					return name, true
				}
				top.names[key] = struct{}{}
			}
			i = end
		}
	}
	return "", false
}

// stringEnd is the index of the quote that ends the string at start.
func stringEnd(text []byte, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text) - 1
}

func unquoted(quoted []byte) string {
	for _, c := range quoted {
		if c == '\\' {
			var name string
			_ = json.Unmarshal(quoted, &name) // valid, as the whole text is
			return name
		}
	}
	return string(quoted[1 : len(quoted)-1])
}

// folded maps names that differ only in case to one text, as encoding/json does.
func folded(name string) string {
	out := make([]byte, 0, len(name))
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z':
			r -= 'a' - 'A'
		case r >= utf8.RuneSelf:
			r = leastFold(r)
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

// leastFold is the smallest of the runes that are equal to r but for case.
func leastFold(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

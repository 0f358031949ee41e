package policy

import (
	"strings"
	"unicode/utf8"
)

// maxPath bounds a path that is looked at, in bytes.
const maxPath = 8 << 10

// readings are the ways in which servers read one path: as it stands, with dot segments removed
// (RFC 3986, section 5.2.4), and with slashes that follow one another merged before. For nearly every
// path they are the same, and only the first is there.
//
// Each is in a normal form: what may stand in a path unencoded is decoded, all else has its encoding in
// capitals, and there is no slash at the end, so that the root is "". Letters keep their case.
type readings struct {
	ways  [3]string
	count int
	// fault says why the path cannot be judged, for people; "" while it can.
	fault string
}

// readPath reads the path of a request as it is sent, without its query.
func readPath(raw string) readings {
	normal, fault := decode(raw)
	if fault != "" {
		return readings{fault: fault}
	}
	r := readings{ways: [3]string{trimSlash(normal)}, count: 1}
	if !strings.Contains(normal, "//") && !strings.Contains(normal, "/.") {
		return r
	}
	r.add(trimSlash(removeDots(normal)))
	r.add(trimSlash(removeDots(mergeSlashes(normal))))
	return r
}

func (r *readings) add(way string) {
	for _, known := range r.ways[:r.count] {
		if known == way {
			return
		}
	}
	r.ways[r.count] = way
	r.count++
}

// decode brings a path into the normal form, up to dots and slashes. It refuses what servers are known to
// read differently from one another.
func decode(raw string) (normal, fault string) {
	switch {
	case raw == "":
		return "/", ""
	case raw[0] != '/':
		return "", "it does not begin with a slash"
	case len(raw) > maxPath:
		return "", "it is longer than 8 KB"
	}
	for i := range len(raw) {
		if !plain(raw[i]) {
			return decodeSlowly(raw)
		}
	}
	return raw, ""
}

func decodeSlowly(raw string) (normal, fault string) {
	const capitals = "0123456789ABCDEF"
	b := make([]byte, 0, len(raw))
	decoded := make([]byte, 0, len(raw)) // for what only the whole text shows
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
				return "", "it has percent signs that encode nothing"
			}
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			i += 2
			switch {
			case c == '/':
				return "", "it has an encoded slash"
			case c == '?' || c == '#':
				return "", "it has an encoded ? or #"
			}
		} else if !plain(c) && c != ';' && c != '\\' {
			return "", "it has characters that belong encoded"
		}
		switch {
		case c == ';':
			return "", "it has a semicolon"
		case c == '\\':
			return "", "it has a backslash"
		case c < ' ' || c == 0x7f:
			return "", "it has control characters"
		}
		decoded = append(decoded, c)
		if plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', capitals[c>>4], capitals[c&15])
		}
	}
	switch {
	case !utf8.Valid(decoded):
		return "", "it is not UTF-8"
	case twice(decoded):
		return "", "it is encoded twice"
	case hasDots(b) && !sameDots(raw, b):
		return "", "it has encoded dot segments"
	}
	return string(b), ""
}

// twice reports whether a text that was decoded once could be decoded again.
func twice(decoded []byte) bool {
	for i := 0; i+2 < len(decoded); i++ {
		if decoded[i] == '%' && isHex(decoded[i+1]) && isHex(decoded[i+2]) {
			return true
		}
	}
	return false
}

// sameDots reports whether the dot segments of a decoded path were already written so.
func sameDots(raw string, decoded []byte) bool {
	was, is := strings.Split(raw, "/"), strings.Split(string(decoded), "/")
	for i := range is { // no slash is ever decoded
		if dots(is[i]) && was[i] != is[i] {
			return false
		}
	}
	return true
}

func hasDots(path []byte) bool { return strings.Contains(string(path), "/.") }

func dots(segment string) bool { return segment == "." || segment == ".." }

// removeDots is the algorithm of RFC 3986, section 5.2.4, for a path that begins with a slash.
func removeDots(path string) string {
	var out []string
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		if !dots(segment) {
			out = append(out, segment)
			continue
		}
		if segment == ".." && len(out) > 0 {
			out = out[:len(out)-1]
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

func mergeSlashes(path string) string {
	var b strings.Builder
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			b.WriteByte(path[i])
		}
	}
	return b.String()
}

func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }

// plain reports what stands in a path as it is: pchar of RFC 3986 without the semicolon, and the slash.
func plain(c byte) bool {
	const (
		digits  = (1<<10 - 1) << '0'
		letters = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64)
		low     = digits | 1<<'/' | 1<<'-' | 1<<'.' | 1<<'!' | 1<<'$' | 1<<'&' | 1<<'\'' | 1<<'(' | 1<<')' | 1<<'*' | 1<<'+' | 1<<',' | 1<<':' | 1<<'='
		high    = letters | 1<<('_'-64) | 1<<('~'-64) | 1<<('@'-64)
	)
	return c < 64 && uint64(low)>>c&1 == 1 || c >= 64 && c < 128 && uint64(high)>>(c-64)&1 == 1
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

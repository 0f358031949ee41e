package storetest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"
)

// disguise is a form in which a canary lies somewhere.
type disguise struct {
	canary int
	form   string
}

// disguises are the texts that a canary becomes on its way through programs.
func disguises(canary string) map[string]string {
	plain := []byte(canary)
	lower := hex.EncodeToString(plain)
	escaped := jsonText(canary, true)
	forms := map[string]string{
		"plain text":              canary,
		"UTF-16":                  wide(canary, binary.LittleEndian),
		"big-endian UTF-16":       wide(canary, binary.BigEndian),
		"hex":                     lower,
		"upper-case hex":          strings.ToUpper(lower),
		"a query":                 url.QueryEscape(canary),
		"a lower-case query":      lowerEscapes(url.QueryEscape(canary)),
		"a path":                  (&url.URL{Path: canary}).EscapedPath(),
		"a part of a path":        url.PathEscape(canary),
		"percent signs":           eachByte(plain, "%%%02X", ""),
		"lower-case percent":      eachByte(plain, "%%%02x", ""),
		"JSON":                    jsonText(canary, false),
		"JSON for HTML":           escaped,
		"JSON with slashes":       strings.ReplaceAll(jsonText(canary, false), "/", `\/`),
		"JSON in JSON":            jsonText(escaped, true),
		"ASCII JSON":              asciiJSON(canary, `\u%04x`),
		"upper-case ASCII JSON":   asciiJSON(canary, `\u%04X`),
		"JSON of escapes":         eachUnit(canary, `\u%04x`),
		"upper JSON of escapes":   eachUnit(canary, `\u%04X`),
		"numbers":                 eachByte(plain, "%d", " "),
		"numbers with commas":     eachByte(plain, "%d", ","),
		"numbers in an open list": eachByte(plain, "%d", ", "),
	}
	for offset := range 3 {
		forms[fmt.Sprintf("base64, offset %d", offset)] = middle(base64.RawStdEncoding, plain, offset)
		forms[fmt.Sprintf("base64url, offset %d", offset)] = middle(base64.RawURLEncoding, plain, offset)
	}
	return forms
}

// middle is the base64 of a text at some offset in a longer one, without the ends that depend on
// what stands around it.
func middle(encoding *base64.Encoding, plain []byte, offset int) string {
	from := (3 - offset) % 3 // the first byte that begins a group of three
	to := from + (len(plain)-from)/3*3
	return encoding.EncodeToString(plain[from:to])
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(text string) string {
	return regexp.MustCompile(`%[0-9A-F]{2}`).ReplaceAllStringFunc(text, strings.ToLower)
}

func wide(text string, order binary.AppendByteOrder) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

func eachByte(plain []byte, format, between string) string {
	var parts []string
	for _, b := range plain {
		parts = append(parts, fmt.Sprintf(format, b))
	}
	return strings.Join(parts, between)
}

func eachUnit(text, format string) string {
	var out strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		fmt.Fprintf(&out, format, unit)
	}
	return out.String()
}

// jsonText is a text inside the quotes of JSON.
func jsonText(text string, forHTML bool) string {
	var out bytes.Buffer
	to := json.NewEncoder(&out)
	to.SetEscapeHTML(forHTML)
	if err := to.Encode(text); err != nil {
		panic(fmt.Sprintf("writing a text as JSON: %v", err)) // texts can always be written
	}
	quoted := strings.TrimSuffix(out.String(), "\n")
	return quoted[1 : len(quoted)-1]
}

// asciiJSON has escapes for what is not ASCII.
func asciiJSON(text, format string) string {
	var out strings.Builder
	for _, r := range text {
		if r < 0x80 {
			out.WriteString(jsonText(string(r), false))
		} else {
			out.WriteString(eachUnit(string(r), format))
		}
	}
	return out.String()
}

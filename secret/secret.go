// Package secret holds text that must never be printed: tokens, client secrets, verifiers, keys.
//
// It owns one type, [String], whose text comes out only through [String.Reveal]. Everything that
// prints, logs or encodes one (fmt with any verb, log/slog, encoding/json, text and YAML encoders)
// gets "[redacted]". How secrets are kept at rest is the business of package seal.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a [String] shows instead of its text.
const Redacted = "[redacted]"

// String is a text that does not print itself. The zero value is the empty text. It is immutable,
// cheap to copy and safe for concurrent use.
//
// The text sits behind a pointer: fmt does not call methods on unexported fields of a struct that
// it prints with %v, so a text held by value would leak from there, and a pointer prints as an address.
type String struct{ text *string }

// New wraps a text.
func New(text string) String {
	if text == "" {
		return String{}
	}
	return String{text: &text}
}

// Reveal gives the text itself. Call it where the text leaves for its one legitimate receiver.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the text is empty.
func (s String) IsZero() bool { return s.text == nil }

// Equal compares two texts in time that depends on their lengths only.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

func (s String) shown() string {
	if s.IsZero() {
		return ""
	}
	return Redacted
}

// Format implements [fmt.Formatter] for every verb and flag.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.shown()) }

// String implements [fmt.Stringer] for callers that do not go through fmt.
func (s String) String() string { return s.shown() }

// LogValue implements [slog.LogValuer].
func (s String) LogValue() slog.Value { return slog.StringValue(s.shown()) }

// MarshalText implements [encoding.TextMarshaler], which JSON and YAML encoders use.
func (s String) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

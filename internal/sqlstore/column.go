package sqlstore

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// How Go values stand in columns. Each type goes in with its maker and comes out by Scan.

// micros is a time as microseconds since 1970, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

type timeColumn struct{ t *time.Time }

func (c timeColumn) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("reading a time: %T in place of a number", src)
	}
	*c.t = time.Time{}
	if n != 0 {
		*c.t = time.UnixMicro(n).UTC()
	}
	return nil
}

// list is a JSON array of texts.
func list[T ~string](items []T) string {
	if len(items) == 0 {
		return "[]"
	}
	text, err := json.Marshal(items)
	if err != nil {
		panic(fmt.Sprintf("writing a list of strings as JSON: %v", err)) // strings can always be written
	}
	return string(text)
}

type listColumn[T ~string] struct{ items *[]T }

func listOf[T ~string](items *[]T) listColumn[T] { return listColumn[T]{items} }

func (c listColumn[T]) Scan(src any) error {
	*c.items = nil
	var text []byte
	switch src := src.(type) {
	case string:
		text = []byte(src)
	case []byte:
		text = src
	default:
		return fmt.Errorf("reading a list: %T in place of text", src)
	}
	if string(text) == "[]" {
		return nil
	}
	return json.Unmarshal(text, c.items)
}

// blob is bytes, NULL when there are none.
func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

type blobColumn[T ~[]byte] struct{ b *T }

func blobOf[T ~[]byte](b *T) blobColumn[T] { return blobColumn[T]{b} }

// Scan copies: src belongs to the driver.
func (c blobColumn[T]) Scan(src any) error {
	*c.b = nil
	switch src := src.(type) {
	case nil:
		return nil
	case []byte:
		if len(src) > 0 {
			*c.b = slices.Clone(src)
		}
		return nil
	}
	return fmt.Errorf("reading bytes: %T in place of bytes", src)
}

// setHash is the same for the same set of texts.
func setHash(items []string) []byte {
	sum := sha256.Sum256([]byte(list(slices.Compact(slices.Sorted(slices.Values(items))))))
	return sum[:]
}

// storedTime is what a column gives back for a time.
func storedTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// copied is what a column gives back for a list or bytes: the caller's own, nil for an empty one.
func copied[L ~[]T, T any](items L) L {
	if len(items) == 0 {
		return nil
	}
	return slices.Clone(items)
}

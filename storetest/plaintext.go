package storetest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// NoPlaintext looks through every file under a data folder for secrets that a test has put through
// the program, and fails t for each that it finds: as they are, in hex, in base64 and in a query.
// Canaries have at least 12 bytes, so that they cannot occur by chance.
func NoPlaintext(t testing.TB, dir string, canaries ...string) {
	t.Helper()
	if len(canaries) == 0 {
		t.Fatal("NoPlaintext: no canaries")
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, canary := range canaries {
			for form, text := range disguises(t, canary) {
				if bytes.Contains(content, text) {
					t.Errorf("%s holds canary %d in %s", path, i, form)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("looking for plain text: %v", err)
	}
	if files == 0 {
		t.Fatalf("NoPlaintext: no files in %s", dir)
	}
}

func disguises(t testing.TB, canary string) map[string][]byte {
	t.Helper()
	if len(canary) < 12 {
		t.Fatal("NoPlaintext: a canary has fewer than 12 bytes")
	}
	plain := []byte(canary)
	forms := map[string][]byte{
		"plain text":          plain,
		"hex":                 []byte(hex.EncodeToString(plain)),
		"upper-case hex":      bytes.ToUpper([]byte(hex.EncodeToString(plain))),
		"a query":             []byte(url.QueryEscape(canary)),
		"base64, offset 0":    middle(base64.RawStdEncoding, plain, 0),
		"base64, offset 1":    middle(base64.RawStdEncoding, plain, 1),
		"base64, offset 2":    middle(base64.RawStdEncoding, plain, 2),
		"base64url, offset 0": middle(base64.RawURLEncoding, plain, 0),
		"base64url, offset 1": middle(base64.RawURLEncoding, plain, 1),
		"base64url, offset 2": middle(base64.RawURLEncoding, plain, 2),
	}
	return forms
}

// middle is the base64 of a text at some offset in a longer one, without the ends that depend on
// what stands around it.
func middle(encoding *base64.Encoding, plain []byte, offset int) []byte {
	from := (3 - offset) % 3 // the first byte that begins a group of three
	to := from + (len(plain)-from)/3*3
	return []byte(encoding.EncodeToString(plain[from:to]))
}

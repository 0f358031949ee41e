package storetest_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/keybearer/keybearer/storetest"
)

// verdict takes failures in place of a *testing.T.
type verdict struct {
	testing.TB
	failed []string
}

func (v *verdict) Helper() {}

func (v *verdict) Errorf(format string, args ...any) {
	v.failed = append(v.failed, fmt.Sprintf(format, args...))
}

const canary = "canary-7fA/31+<ü𝄞>\"=0"

func TestNoPlaintextFindsWhatIsThere(t *testing.T) {
	marshalled, err := json.Marshal(map[string]string{"access_token": canary})
	if err != nil {
		t.Fatal(err)
	}
	inJSON, err := json.Marshal(string(marshalled))
	if err != nil {
		t.Fatal(err)
	}
	lowerHex := strings.NewReplacer("%2F", "%2f", "%2B", "%2b", "%3C", "%3c", "%3D", "%3d", "%3E", "%3e", "%C3%BC", "%c3%bc", "%F0%9D%84%9E", "%f0%9d%84%9e")
	for name, content := range map[string]string{
		"plain":          "x" + canary + "y",
		"hex":            hex.EncodeToString([]byte("head" + canary)),
		"Hex":            strings.ToUpper(hex.EncodeToString([]byte("head" + canary))),
		"base64 0":       base64.StdEncoding.EncodeToString([]byte("abc" + canary + "tail")),
		"base64 1":       base64.StdEncoding.EncodeToString([]byte("a" + canary + "tail")),
		"base64 2":       base64.StdEncoding.EncodeToString([]byte("ab" + canary + "tail")),
		"base64url":      base64.URLEncoding.EncodeToString([]byte("ab" + canary + "tail")),
		"base64 of JSON": base64.RawURLEncoding.EncodeToString([]byte(`{"access_token":"` + canary + `"}`)),
		"query":          url.Values{"code": {canary}}.Encode(),
		"lower query":    lowerHex.Replace(url.QueryEscape(canary)),
		"path":           (&url.URL{Path: canary}).EscapedPath(),
		"JSON":           string(marshalled),
		"JSON in JSON":   string(inJSON),
		"ASCII":          strconv.QuoteToASCII("\n" + strings.ReplaceAll(canary, "𝄞", "")), // Go's own escape differs there
		"numbers":        fmt.Sprint([]byte("of bytes: " + canary)),
		"JSON of bytes":  strings.ReplaceAll(fmt.Sprint([]byte(canary)), " ", ","),
		"UTF-16":         utf16Text(canary, 0),
		"UTF-16BE":       utf16Text(canary, 8),
		"across a chunk": strings.Repeat("-", 1<<20-5) + canary,
		"far behind":     strings.Repeat("c", 2<<20) + canary,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "deep"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "deep", "file"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			sought := canary
			if name == "ASCII" {
				sought = strings.ReplaceAll(canary, "𝄞", "")
			}
			v := &verdict{TB: t}
			storetest.NoPlaintext(v, dir, "another-canary-0", sought)
			if len(v.failed) == 0 || !strings.Contains(v.failed[0], "canary 1") {
				t.Errorf("got the failures %q, want the canary found", v.failed)
			}
			v = &verdict{TB: t}
			storetest.NoPlaintext(v, dir, "another-canary-0")
			if len(v.failed) != 0 {
				t.Errorf("got the failures %q for a canary that is not there, want none", v.failed)
			}
		})
	}
}

func utf16Text(text string, shift int) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit>>shift), byte(unit>>(8-shift)))
	}
	return string(out)
}

// A store goes on writing while it is looked at: files grow, and some go.
func TestNoPlaintextLooksAtFilesInUse(t *testing.T) {
	dir := t.TempDir()
	grows, err := os.Create(filepath.Join(dir, "grows"))
	if err != nil {
		t.Fatal(err)
	}
	defer grows.Close()
	if _, err := grows.WriteString(canary); err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan error)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			brief := filepath.Join(dir, fmt.Sprint("brief", n%7))
			if _, err := grows.Write(make([]byte, 1<<12)); err != nil {
				ended <- err
				return
			}
			if err := os.WriteFile(brief, []byte("nothing"), 0o600); err != nil {
				ended <- err
				return
			}
			if err := os.Remove(brief); err != nil {
				ended <- err
				return
			}
		}
	}()
	for range 5 {
		v := &verdict{TB: t}
		storetest.NoPlaintext(v, dir, canary)
		if len(v.failed) != 1 {
			t.Errorf("got the failures %q, want one", v.failed)
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func BenchmarkNoPlaintext(b *testing.B) {
	dir := b.TempDir()
	content := []byte(strings.Repeat("some text of a database, and \x00\x00\x00 more ", 1<<20))
	if err := os.WriteFile(filepath.Join(dir, "file"), content, 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		storetest.NoPlaintext(b, dir, canary, "another-canary-1", "another-canary-2", "another-canary-3")
	}
}

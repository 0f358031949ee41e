//go:build unix

package child_test

import (
	"io"
	"strings"
	"testing"
	"time"
)

// output reads what a process prints, for tests that wait for words.
type output struct {
	parts <-chan string
	seen  string // what was printed since the last word that was waited for
}

func newOutput(t *testing.T, r io.Reader) *output {
	parts := make(chan string)
	done := t.Context().Done()
	go func() { // it ends with the process that prints, or with the test
		defer close(parts)
		buffer := make([]byte, 4096)
		for {
			n, err := r.Read(buffer)
			select {
			case parts <- string(buffer[:n]):
			case <-done:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return &output{parts: parts}
}

// want waits until a text is printed, and forgets all up to its end.
func (o *output) want(t *testing.T, text string) {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		if _, rest, ok := strings.Cut(o.seen, text); ok {
			o.seen = rest
			return
		}
		select {
		case part, open := <-o.parts:
			if !open {
				t.Fatalf("the output ended without %q: %q", text, o.seen)
			}
			o.seen += part
		case <-late:
			t.Fatalf("no %q was printed: %q", text, o.seen)
		}
	}
}

// end waits until everybody who could print has ended, and gives what they printed.
func (o *output) end(t *testing.T) string {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		select {
		case part, open := <-o.parts:
			if !open {
				return o.seen
			}
			o.seen += part
		case <-late:
			t.Fatalf("somebody still holds the output open: %q", o.seen)
		}
	}
}

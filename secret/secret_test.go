package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/secret"
)

const canary = "canary-text"

type holder struct {
	Public  secret.String
	private secret.String
}

func TestNothingPrintsTheText(t *testing.T) {
	s := secret.New(canary)
	h := holder{Public: s, private: s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%10s"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", &h)
		fmt.Fprintf(&out, verb+"\n", []secret.String{s})
		fmt.Fprintf(&out, verb+"\n", map[string]secret.String{"k": s})
	}
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("m", "secret", s, "holder", h, "any", slog.AnyValue(&s))
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "secret", s, "holder", h)
	if err := json.NewEncoder(&out).Encode(map[string]any{"s": s, "h": h, "p": &s}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, fmt.Errorf("wrapped: %w", fmt.Errorf("%v", s)), s.String())
	if got := out.String(); strings.Contains(got, canary) || strings.Contains(got, fmt.Sprintf("%x", canary)) {
		t.Errorf("the text leaked:\n%s", got)
	}
	if !strings.Contains(out.String(), secret.Redacted) {
		t.Errorf("got no %q in the output: it tested nothing", secret.Redacted)
	}
}

func TestRevealGivesTheText(t *testing.T) {
	if got := secret.New(canary).Reveal(); got != canary {
		t.Errorf("got %q, want the text", got)
	}
	if !secret.New("").IsZero() || secret.New("").String() != "" {
		t.Error("the empty text shows that it is empty")
	}
	if !secret.New("a").Equal(secret.New("a")) || secret.New("a").Equal(secret.New("b")) {
		t.Error("Equal compares the texts")
	}
}

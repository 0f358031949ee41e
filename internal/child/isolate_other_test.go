//go:build !linux

package child_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/child"
)

func canIsolate(*testing.T) bool { return false }

func TestIsolationIsRefused(t *testing.T) {
	code, err := child.Run(t.Context(), child.Config{
		Argv: []string{self(t), asChild, "env"}, Isolate: true, Proxy: &url.URL{Scheme: "http", Host: "127.0.0.1:9"},
	})
	if code != child.CodeFailed || err == nil || !strings.Contains(err.Error(), "only Linux") {
		t.Errorf("code %d, %v", code, err)
	}
}

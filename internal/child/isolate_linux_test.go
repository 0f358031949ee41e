package child_test

import (
	"net"
	"strings"
	"testing"
)

func TestIsolatedChildReachesTheProxyOnly(t *testing.T) {
	other, proxy := listening(t), listening(t)
	out, code, words := run(t, order{
		Proxy: "http://run:placeholder@" + proxy, Isolate: true,
		Argv: []string{self(t), asChild, "dial", other, proxy},
	})
	want := other + ": false\n" + proxy + ": true\n"
	if code != 0 || out != want {
		t.Errorf("code %d, got %q, want %q; %s", code, out, want, words)
	}
}

func listening(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

var _ = strings.Contains

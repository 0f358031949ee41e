package child_test

import (
	"net/url"
	"os"
	"testing"

	"github.com/keybearer/keybearer/internal/child"
)

// What a run costs on top of its program: the certificates, mostly.
func BenchmarkRun(b *testing.B) {
	for name, c := range map[string]child.Config{
		"bare":         {},
		"certificates": {Proxy: &url.URL{Scheme: "http", Host: "127.0.0.1:9"}, CA: []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")},
		"isolated":     {Proxy: &url.URL{Scheme: "http", Host: "127.0.0.1:9"}, Isolate: true},
	} {
		b.Run(name, func(b *testing.B) {
			c.Argv, c.Env = []string{"true"}, os.Environ()
			for b.Loop() {
				if code, err := child.Run(b.Context(), c); code != 0 || err != nil {
					b.Fatal(code, err)
				}
			}
		})
	}
}

package child

import "testing"

func TestBypasses(t *testing.T) {
	for _, c := range []struct {
		entry, host string
		want        bool
	}{
		{"api.github.com", "api.github.com", true},
		{"API.GitHub.com", "api.github.com", true},
		{"api.github.com:443", "api.github.com", true},
		{"api.github.com", "api.github.com:8443", true},
		{"github.com", "api.github.com", true}, // for curl and Go all below it, too
		{".github.com", "api.github.com", true},
		{"*.github.com", "api.github.com", true},
		{"com", "api.github.com", true},
		{"hub.com", "api.github.com", true}, // for requests
		{"*", "api.github.com", true},
		{"api.github.com.", "api.github.com", true},
		{"www.github.com", "api.github.com", false},
		{"github.com.evil.test", "api.github.com", false},
		{"example.com", "*.example.com", true},
		{".example.com", "*.example.com", true},
		{"eu.example.com", "*.example.com", true},
		{"*.eu.example.com", "*.example.com", true},
		{"notexample.com", "*.example.com", false},
		{"127.0.0.1", "127.0.0.1:8080", true},
		{"127.0.0.0/8", "127.0.0.1:8080", true},
		{"10.0.0.0/8", "127.0.0.1:8080", false},
		{"10.0.0.0/8", "api.github.com", false},
		{"::1", "[::1]:8080", true},
		{"localhost", "localhost:8080", true},
		{"", "api.github.com", false},
		{".", "api.github.com", false},
	} {
		if got := bypasses(c.entry, c.host); got != c.want {
			t.Errorf("%q bypasses %q: %v, want %v", c.entry, c.host, got, c.want)
		}
	}
}

func FuzzBypasses(f *testing.F) {
	f.Add("10.0.0.0/8", "[::1]:443")
	f.Add("*.a", "*.b.a")
	f.Fuzz(func(t *testing.T, entry, host string) {
		if got := bypasses(entry, host); entry == host && withoutPort(host) != "" && !got && withoutPort(host)[0] != '*' && withoutPort(host)[0] != '.' {
			t.Errorf("%q does not bypass itself", host)
		}
	})
}

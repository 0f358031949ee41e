package pages

import (
	"net/http"
	"net/url"
	"strings"
)

// site is the public address of the engine, as browsers see it.
type site struct {
	origin string // "https://keys.example.com"
	host   string
	prefix string // "" or "/keys": without a slash at its end
	secure bool
}

func newSite(publicURL string) site {
	u, err := url.Parse(strings.TrimRight(publicURL, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		panic("pages: the public URL is not an absolute http or https URL: " + publicURL)
	}
	return site{origin: u.Scheme + "://" + u.Host, host: u.Host, prefix: u.EscapedPath(), secure: u.Scheme == "https"}
}

// at is the path of one of our pages as the browser has to ask for it.
func (s site) at(path string) string { return s.prefix + path }

// below takes the prefix off, for reverse proxies that leave it on; most take it off themselves.
func (s site) below(next http.Handler) http.Handler {
	if s.prefix == "" {
		return next
	}
	strip := http.StripPrefix(s.prefix, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.EscapedPath(), s.prefix+"/") {
			strip.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const maxOwnPath = 200

// ownPath reports whether path (without the prefix) may be where a sign-in goes on: a plain path of
// ours. It allows so few characters that no browser can read another host, a scheme or a script out
// of it, and "/api" is left out, since nobody signs in for that.
func ownPath(path string) bool {
	if len(path) > maxOwnPath || !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || strings.HasPrefix(path, "/api/") {
		return false
	}
	return !strings.ContainsFunc(path[1:], func(c rune) bool { return c != '/' && !wordRune(c) })
}

// wordRune holds for what our ids are made of.
func wordRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// isID reports whether a path value can be an id of the engine at all.
func isID(text string) bool {
	const longest = 128
	return text != "" && len(text) <= longest && !strings.ContainsFunc(text, func(c rune) bool { return !wordRune(c) })
}

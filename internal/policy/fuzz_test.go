package policy_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/policy"
)

// Whatever the bytes are: no panic, a policy or an error with a place in the file, and a policy that can
// decide.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"bad.yaml", "doubtful.yaml", "star.yaml", "corpus/hosts.txt", "corpus/example.txt"} {
		text, _, _ := strings.Cut(read(f, "testdata/"+name), "\n---\n")
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, problems := policy.Parse("policy.yaml", data)
		if (p == nil) != problems.Failed() {
			t.Errorf("policy: %v, problems: %v", p != nil, problems)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, found := range problems {
			if found.Line < 0 || found.Line > lines || found.Line > 0 && found.Column < 1 {
				t.Errorf("%v is outside a file of %d lines", found, lines)
			}
		}
		printed(t, problems)
		if p == nil {
			return
		}
		for _, q := range []policy.Request{get("/a/../b"), {Run: "x", Host: "example.com"}, {Method: "DELETE", Host: "*", Path: "//"}} {
			d := p.Decide(q)
			if d.Verdict == "" || d.Reason == "" {
				t.Errorf("%+v: %+v", q, d)
			}
			if !q.Matched && d.Verdict == policy.Allow || q.Matched && d.Verdict == policy.Tunnel {
				t.Errorf("%+v: %s", q, d.Verdict)
			}
		}
	})
}

// The ways in which servers are known to read a path. None may lead to where a rule refuses.
func servers() map[string]func(string) string {
	unescaped := func(p string) string {
		for range 3 {
			next, err := url.PathUnescape(p)
			if err != nil {
				return p
			}
			p = next
		}
		return p
	}
	once := func(p string) string {
		if plain, err := url.PathUnescape(p); err == nil {
			return plain
		}
		return p
	}
	parameters := func(p string) string { // as servers of Java do
		segments := strings.Split(p, "/")
		for i, segment := range segments {
			segments[i], _, _ = strings.Cut(segment, ";")
		}
		return strings.Join(segments, "/")
	}
	return map[string]func(string) string{
		"as it stands":                       func(p string) string { return p },
		"decoded":                            once,
		"decoded, cleaned":                   func(p string) string { return path.Clean(once(p)) },
		"cleaned, decoded":                   func(p string) string { return once(path.Clean(p)) },
		"decoded again and again, cleaned":   func(p string) string { return path.Clean(unescaped(p)) },
		"without parameters":                 func(p string) string { return path.Clean(once(parameters(p))) },
		"decoded, without parameters":        func(p string) string { return path.Clean(parameters(once(p))) },
		"backslashes as slashes":             func(p string) string { return path.Clean(strings.ReplaceAll(unescaped(p), `\`, "/")) },
		"by RFC 3986":                        resolved,
		"by RFC 3986, decoded before":        func(p string) string { return resolved((&url.URL{Path: once(p)}).EscapedPath()) },
		"cut at what would begin a query":    func(p string) string { p, _, _ = strings.Cut(unescaped(p), "?"); return path.Clean(p) },
		"cut at what would begin a fragment": func(p string) string { p, _, _ = strings.Cut(unescaped(p), "#"); return path.Clean(p) },
	}
}

func resolved(p string) string {
	base := url.URL{Scheme: "https", Host: "example.com", Path: "/"}
	u, err := url.Parse("https://example.com" + p)
	if err != nil {
		return p
	}
	return base.ResolveReference(u).Path
}

func FuzzPath(f *testing.F) {
	_, requests, _ := strings.Cut(read(f, "testdata/corpus/paths.txt"), "\n---\n")
	for line := range strings.Lines(requests) {
		if words := strings.Fields(line); len(words) > 4 && line[0] != '#' {
			f.Add(words[4])
		}
	}
	f.Add("/x/%25252e%25252e/admin")
	f.Add("/x//../admin/y")
	f.Add("/.//../admin")
	guarded := parse(f, "version: 1\nrules:\n  - {paths: [/admin/**], verdict: refuse}\n  - {verdict: allow}\n")
	open := parse(f, "version: 1\nrules:\n  - {paths: [/public/**], verdict: allow}\n")
	models := servers()
	f.Fuzz(func(t *testing.T, raw string) {
		ways, fault := policy.ReadPath(raw)
		if fault != "" && len(ways) > 0 {
			t.Errorf("%q cannot be judged (%s) and has readings: %q", raw, fault, ways)
		}
		if len(ways) == 1 {
			again, fault := policy.ReadPath(ways[0])
			if fault != "" || len(again) != 1 || again[0] != ways[0] {
				t.Errorf("%q is read as %q, and that as %q (%s)", raw, ways[0], again, fault)
			}
		}
		refusedGuarded := guarded.Decide(get(raw)).Verdict == policy.Refuse
		allowedOpen := open.Decide(get(raw)).Verdict == policy.Allow
		for name, read := range models {
			seen := strings.TrimSuffix(read(raw), "/")
			if !refusedGuarded && (seen == "/admin" || strings.HasPrefix(seen, "/admin/")) {
				t.Errorf("%q is allowed, and a server that reads it %s sees %q", raw, name, seen)
			}
			if allowedOpen && name != "as it stands" && seen != "/public" && !strings.HasPrefix(seen, "/public/") {
				t.Errorf("%q is allowed, and a server that reads it %s sees %q", raw, name, seen)
			}
		}
	})
}

// A host is what it is compared as.
func FuzzHost(f *testing.F) {
	for _, raw := range []string{"API.GitHub.com.", "[::1]:80", "::ffff:10.0.0.1", "1.2.3", "a..b", "*.example.com", "a:443"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name, _, ok := policy.ReadHost(raw)
		if !ok {
			return
		}
		again, port, ok := policy.ReadHost(name)
		if !ok || again != name || port != "" {
			t.Errorf("%q is read as %q, and that as %q, port %q (%v)", raw, name, again, port, ok)
		}
		if strings.Count(raw, ":") < 2 { // an address without brackets is none of URLs
			u, err := url.Parse("https://" + raw + "/")
			if err != nil || strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") != name {
				t.Errorf("%q is read as %q, and net/url sees %v (%v)", raw, name, u, err)
			}
		}
	})
}

package policy

import (
	"strings"
	"unicode"

	"github.com/keybearer/keybearer/internal/yamlpos"
)

// The readers of a rule's entries. What each answers goes on after the entry, and is "" for a good one.

func readRun(written string) (word, string) {
	if strings.ContainsFunc(written, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(written) != written {
		return word{}, "is not the name of a run: it has blanks around it or characters that cannot be seen"
	}
	return newWord(written), ""
}

func readConnection(written string) (connectionPattern, string) {
	provider, name, named := strings.Cut(written, "/")
	switch {
	case provider == "" || strings.ContainsFunc(provider, notInProvider):
		return connectionPattern{}, "does not begin with a provider; allowed: its id (lower-case letters, digits, underscore, hyphen, and * for any of them), alone or with the connection's name, as in atlassian/work"
	case !named:
		return connectionPattern{newWord(provider), newWord("*")}, ""
	case name == "" || strings.ContainsFunc(name, notInName):
		return connectionPattern{}, "has no name of a connection behind the slash; allowed: letters, digits, dot, underscore, hyphen, and * for any of them; the one without a name is called " + unnamed
	}
	return connectionPattern{newWord(provider), newWord(name)}, ""
}

func notInProvider(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("_-*", r))
}

func notInName(r rune) bool {
	return notInProvider(unicode.ToLower(r)) && r != '.' || r > unicode.MaxASCII
}

func readMethod(written string) (string, string) {
	known := []string{
		"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
		"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "QUERY",
	}
	for _, method := range known {
		switch {
		case method == written:
			return method, ""
		case strings.EqualFold(method, written):
			return "", "is not in capitals; write " + method
		}
	}
	switch near := near(written, known); {
	case written == "CONNECT":
		return "", "opens a tunnel, in which nothing can be seen; write hosts and verdict: tunnel or refuse"
	case written == "*":
		return "", "is not a method; leave the key out for all of them"
	case near != "":
		return "", `is not known; did you mean "` + near + `"?`
	case !token(written) || len(written) > 20:
		return "", "is not a method; write it as on the wire, in capitals, like GET"
	}
	return written, ""
}

// near finds the known method of which a written one is a slip.
func near(written string, known []string) string {
	lowered := make(map[string]string, len(known))
	names := make([]string, len(known))
	for i, method := range known {
		names[i] = strings.ToLower(method)
		lowered[names[i]] = method
	}
	return lowered[yamlpos.Nearest(written, names)]
}

// readPathPattern reads a pattern of paths, which has to be in the form in which paths are compared.
func readPathPattern(written string) (glob, string) {
	switch {
	case !strings.HasPrefix(written, "/"):
		return glob{}, "does not begin with a slash; hosts stand in hosts"
	case strings.ContainsAny(written, "?#"):
		return glob{}, "goes beyond a path; queries and fragments are not compared"
	case strings.ContainsAny(written, "{}"):
		return glob{}, "has braces, which stand for nothing here; write * for one segment"
	case strings.ContainsAny(written, `^[]|\`) || strings.Contains(written, ".*") && strings.HasSuffix(written, "$"):
		return glob{}, "looks like a regular expression; allowed: * for one segment or a part of one, ** for any number of segments"
	}
	r := readPath(written)
	switch {
	case r.fault != "":
		return glob{}, "can never be met: " + r.fault + ", and such paths are refused"
	case r.count > 1:
		return glob{}, "has dot segments or doubled slashes, which are removed before paths are compared; write " + yamlpos.Quoted(r.ways[r.count-1])
	case r.ways[0] != trimSlash(written):
		return glob{}, "is written in another form than it is compared in; write " + yamlpos.Quoted(r.ways[0])
	}
	g := newGlob(r.ways[0])
	for _, segment := range g.segments {
		if strings.Contains(segment.pattern, "**") && segment.pattern != "**" {
			return glob{}, "has ** within a segment; write * there, and ** between slashes for any number of segments"
		}
	}
	return g, ""
}

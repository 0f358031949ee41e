package workers

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

const maxToolName = 256

var (
	toolNamePattern    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	toolVersionPattern = regexp.MustCompile(`^[A-Za-z0-9.+_-]{0,50}$`)
)

// splitName takes the version off a name. One that is given beside it must agree.
func splitName(name, version string) (string, string, error) {
	if name == "" || len(name) > maxToolName {
		return "", "", keybearer.Errorf(keybearer.BadRequest, "tool_name is needed: Toolkit.Tool, at most %d bytes", maxToolName)
	}
	name, in, has := strings.Cut(name, "@")
	if has && version != "" && in != version {
		return "", "", keybearer.Errorf(keybearer.BadRequest, "tool_name has the version %q, and tool_version is %q: give one of them", oauth.Clean(in, 60), oauth.Clean(version, 60))
	}
	if has {
		version = in
	}
	if !toolVersionPattern.MatchString(version) {
		return "", "", keybearer.Errorf(keybearer.BadRequest, "the version %q is none that a tool can have", oauth.Clean(version, 60))
	}
	return name, version, nil
}

// dotted and joined are how names are compared: as they are but for the case, and as formats for models have
// them, which allow no dot.
func dotted(name string) string { return strings.ToLower(name) }
func joined(name string) string { return strings.ReplaceAll(strings.ToLower(name), ".", "_") }

// compareVersions orders versions as semantic versioning does, as far as they are such: numbers by value, and a
// version with a suffix like -rc1 before the one without.
func compareVersions(a, b string) int {
	a, b = strings.TrimPrefix(a, "v"), strings.TrimPrefix(b, "v")
	a, _, _ = strings.Cut(a, "+")
	b, _, _ = strings.Cut(b, "+")
	a, preA, isPreA := strings.Cut(a, "-")
	b, preB, isPreB := strings.Cut(b, "-")
	if c := compareParts(a, b); c != 0 {
		return c
	}
	switch {
	case isPreA && isPreB:
		return compareParts(preA, preB)
	case isPreA:
		return -1
	case isPreB:
		return 1
	}
	return 0
}

func compareParts(a, b string) int {
	for a != "" || b != "" {
		var partA, partB string
		partA, a, _ = strings.Cut(a, ".")
		partB, b, _ = strings.Cut(b, ".")
		numA, errA := strconv.ParseUint(cmp.Or(partA, "0"), 10, 64)
		numB, errB := strconv.ParseUint(cmp.Or(partB, "0"), 10, 64)
		c := strings.Compare(partA, partB)
		switch {
		case errA == nil && errB == nil:
			c = cmp.Compare(numA, numB)
		case errA == nil: // numbers come before words
			c = -1
		case errB == nil:
			c = 1
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// pascal makes the name of a toolkit of a worker's id: my-tools becomes MyTools.
func pascal(id string) string {
	var out strings.Builder
	for part := range strings.FieldsFuncSeq(id, func(r rune) bool { return r == '-' || r == '_' || r == '.' || r == ' ' }) {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}

package policy

import "strings"

// fits reports whether a pattern, in which each * stands for any characters or none, fits a whole text.
func fits(pattern, text string) bool {
	star, mark := -1, 0
	p := 0
	for t := 0; t < len(text); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0: // let the last star take one more
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// glob is a pattern of paths, one element for each segment: ** any number of them, * one, and in others
// each * any characters of it.
type glob []string

// newGlob takes a pattern in its normal form apart.
func newGlob(pattern string) glob {
	pattern = strings.Trim(pattern, "/")
	if pattern == "" {
		return nil
	}
	return strings.Split(pattern, "/")
}

// fits reports whether the pattern fits a whole path, without a slash at its end. "" is the root.
func (g glob) fits(path string) bool {
	star, mark := -1, ""
	i := 0
	for path != "" {
		if i < len(g) && g[i] == "**" {
			star, mark = i, path
			i++
			continue
		}
		segment, rest := cutSegment(path)
		switch {
		case i < len(g) && fitsSegment(g[i], segment):
			i, path = i+1, rest
		case star >= 0: // let the last ** take one more
			_, mark = cutSegment(mark)
			i, path = star+1, mark
		default:
			return false
		}
	}
	for i < len(g) && g[i] == "**" {
		i++
	}
	return i == len(g)
}

func fitsSegment(pattern, segment string) bool {
	if pattern == "*" {
		return segment != ""
	}
	return pattern == segment || strings.Contains(pattern, "*") && fits(pattern, segment)
}

// cutSegment takes the first segment off a path that begins with a slash.
func cutSegment(path string) (segment, rest string) {
	if end := strings.IndexByte(path[1:], '/'); end >= 0 {
		return path[1 : end+1], path[end+1:]
	}
	return path[1:], ""
}

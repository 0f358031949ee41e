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

// word is a pattern of names, in which each * stands for any characters or none.
type word struct {
	pattern string
	start   string // what is before the first star
	starred bool
}

func newWord(pattern string) word {
	start, _, starred := strings.Cut(pattern, "*")
	return word{pattern, start, starred}
}

func (w *word) fits(text string) bool {
	if !w.starred {
		return w.pattern == text
	}
	return len(w.pattern) == 1 || strings.HasPrefix(text, w.start) && fits(w.pattern, text)
}

// glob is a pattern of paths.
type glob struct {
	// segments are one for each of the path's: ** any number of them, * one, and in others each * any
	// characters of it.
	segments []word
	// start is how every path begins that fits: most that do not are told by it.
	start string
}

// newGlob takes a pattern in its normal form apart.
func newGlob(pattern string) glob {
	pattern = strings.Trim(pattern, "/")
	if pattern == "" {
		return glob{}
	}
	var g glob
	for segment := range strings.SplitSeq(pattern, "/") {
		g.segments = append(g.segments, newWord(segment))
	}
	g.start = "/" + pattern
	if before, _, starred := strings.Cut(g.start, "*"); starred {
		g.start = before
		if strings.HasPrefix("/"+pattern, before+"**") {
			g.start = strings.TrimSuffix(before, "/") // ** may be no segment at all
		}
	}
	return g
}

// fits reports whether the pattern fits a whole path, without a slash at its end. "" is the root.
func (g *glob) fits(path string) bool {
	if !strings.HasPrefix(path, g.start) {
		return false
	}
	star, mark := -1, ""
	i := 0
	for path != "" {
		if i < len(g.segments) && g.segments[i].pattern == "**" {
			star, mark = i, path
			i++
			continue
		}
		segment, rest := cutSegment(path)
		switch {
		case i < len(g.segments) && fitsSegment(&g.segments[i], segment):
			i, path = i+1, rest
		case star >= 0: // let the last ** take one more
			_, mark = cutSegment(mark)
			i, path = star+1, mark
		default:
			return false
		}
	}
	for i < len(g.segments) && g.segments[i].pattern == "**" {
		i++
	}
	return i == len(g.segments)
}

func fitsSegment(w *word, segment string) bool {
	if w.pattern == "*" {
		return segment != ""
	}
	return w.fits(segment)
}

// fitsAny reports whether one of the patterns fits.
func fitsAny(globs []glob, path string) bool {
	for i := range globs {
		if globs[i].fits(path) {
			return true
		}
	}
	return false
}

// cutSegment takes the first segment off a path that begins with a slash.
func cutSegment(path string) (segment, rest string) {
	if end := strings.IndexByte(path[1:], '/'); end >= 0 {
		return path[1 : end+1], path[end+1:]
	}
	return path[1:], ""
}

package yamlpos

import (
	"fmt"
	"strings"
)

// Nearest finds the name that was probably meant: one that is a few slips of the keyboard away, or
// that begins the written one or is begun by it. Empty: none is near.
func Nearest(written string, names []string) string {
	best, distance := "", 1+min(3, max(1, len(written)/3))
	if len(written) > 100 {
		return ""
	}
	low := strings.ToLower(written)
	for _, name := range names {
		if d := slips(low, name); d < distance {
			best, distance = name, d
		}
	}
	if best != "" {
		return best
	}
	for _, name := range names {
		if min(len(name), len(low)) >= 3 && (strings.HasPrefix(low, name) || strings.HasPrefix(name, low)) {
			return name
		}
	}
	return ""
}

// slips counts the characters to insert, leave out, replace or swap with their neighbour that lead
// from a to b (optimal string alignment).
func slips(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// Choices ends a message: what was probably meant, and all that is allowed.
func Choices(written string, allowed []string) string {
	var b strings.Builder
	if near := Nearest(written, allowed); near != "" && near != written {
		fmt.Fprintf(&b, "; did you mean %q?", near)
	} else {
		b.WriteString(";")
	}
	shown := make([]string, len(allowed))
	for i, a := range allowed {
		shown[i] = a
		if a == "" || strings.TrimSpace(a) != a {
			shown[i] = fmt.Sprintf("%q", a)
		}
	}
	fmt.Fprintf(&b, " allowed: %s", strings.Join(shown, ", "))
	return b.String()
}

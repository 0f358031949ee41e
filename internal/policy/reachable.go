package policy

import (
	"fmt"
	"slices"
)

// reachable warns of rules that no request comes to, because one above fits all that they fit. It sees
// entries that are the same or left out, not patterns that cover others.
func (c *checker) reachable() {
	rules := c.policy.file.Rules
	for i, below := range rules {
		for j, above := range rules[:i] {
			if covers(above, below) {
				c.doubt(c.places[fmt.Sprintf("rules[%d]", i)], fmt.Sprintf("rules[%d]", i), "no request comes to this rule: "+
					c.cited[j]+" fits all that this one fits, and the first that fits decides")
				break
			}
		}
	}
}

func covers(above, below Rule) bool {
	unmatched := len(below.Hosts) > 0 && len(below.Connections) == 0 // then it is for tunnels, too
	switch {
	case above.Verdict == string(Tunnel) && below.Verdict != string(Tunnel):
		return false
	case unmatched && (len(above.Hosts) == 0 || len(above.Methods) > 0 || len(above.Paths) > 0):
		return false
	}
	return contains(above.Runs, below.Runs) && contains(above.Connections, below.Connections) &&
		contains(above.Hosts, below.Hosts) && contains(above.Methods, below.Methods) && contains(above.Paths, below.Paths)
}

// contains reports whether a list, of which none means everything, has all entries of another.
func contains(all, some []string) bool {
	if len(all) == 0 {
		return true
	}
	for _, entry := range some {
		if !slices.Contains(all, entry) {
			return false
		}
	}
	return len(some) > 0
}

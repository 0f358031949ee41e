package policy

import (
	"fmt"
	"slices"
)

// reachable warns of rules that no request comes to, because one above fits all that they fit. It sees
// entries that are the same or left out, not patterns that cover others.
func (c *checker) reachable() {
	rules := make([]Rule, len(c.policy.file.Rules))
	for i, r := range c.policy.file.Rules {
		for _, entries := range []*[]string{&r.Runs, &r.Connections, &r.Hosts, &r.Methods, &r.Paths} {
			*entries = slices.Sorted(slices.Values(*entries))
		}
		rules[i] = r
	}
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

// contains reports whether a sorted list, of which none means everything, has all entries of another.
func contains(all, some []string) bool {
	switch {
	case len(all) == 0:
		return true
	case len(all) < len(some) || len(some) > 0 && all[len(all)-1] < some[len(some)-1]: // most lists are told by that
		return false
	}
	for _, entry := range some {
		for len(all) > 0 && all[0] < entry {
			all = all[1:]
		}
		if len(all) == 0 || all[0] != entry {
			return false
		}
	}
	return len(some) > 0
}

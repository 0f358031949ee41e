package policy

import (
	"slices"
	"strconv"
)

// rule is a rule of the file, ready to be compared with requests.
type rule struct {
	runs        []string
	connections []connectionPattern
	hosts       []hostPattern
	methods     []string
	paths       []glob
	readOnly    bool
	limit       *limit // nil: none
	verdict     Verdict

	label string // its name, or "rule 3"
	cited string // how a sentence calls it: rule `name` of policy.yaml line 9
	grant string // the whole sentence where it allows
}

// connectionPattern is one entry of a rule's connections.
type connectionPattern struct {
	provider, name string // name is "*" where the entry names the provider alone
}

func (p connectionPattern) fits(provider, name string) bool {
	return fits(p.provider, provider) && (p.name == "*" || fits(p.name, name))
}

// answer is what comparing a rule with a request comes to.
type answer int

const (
	other   answer = iota // the rule is about something else
	meets                 // it is about this request
	hidden                // it depends on what a tunnel does not show
	unclear               // it is about paths, and this one can be read in more than one way
)

// about compares the rule with a request. What costs least comes first.
func (r *rule) about(q *question) answer {
	switch {
	case r.verdict == Tunnel && q.Matched:
		return other
	case len(r.hosts) == 0 && !q.Matched:
		return other
	case len(r.connections) > 0 && !q.Matched:
		return other
	case len(r.methods) > 0 && !q.hidden && !slices.Contains(r.methods, q.method):
		return other
	case len(r.hosts) > 0 && !slices.ContainsFunc(r.hosts, func(p hostPattern) bool { return p.fits(q.host) }):
		return other
	case len(r.connections) > 0 && !r.forConnection(q):
		return other
	case len(r.runs) > 0 && !slices.ContainsFunc(r.runs, func(p string) bool { return fits(p, q.Run) }):
		return other
	case q.hidden && (len(r.methods) > 0 || len(r.paths) > 0 || r.readOnly):
		return hidden
	case len(r.paths) == 0:
		return meets
	}
	return r.aboutPath(q.path())
}

func (r *rule) forConnection(q *question) bool {
	return slices.ContainsFunc(r.connections, func(p connectionPattern) bool { return p.fits(string(q.Provider), q.connection) })
}

// aboutPath is meets or other where all readings of the path agree.
func (r *rule) aboutPath(path *readings) answer {
	if path.fault != "" {
		return unclear
	}
	met := 0
	for _, way := range path.ways[:path.count] {
		if slices.ContainsFunc(r.paths, func(g glob) bool { return g.fits(way) }) {
			met++
		}
	}
	switch met {
	case 0:
		return other
	case path.count:
		return meets
	}
	return unclear
}

// cite writes down how sentences call the rule.
func (r *rule) cite(name, file string, number, line int) {
	r.label = name
	called := "rule `" + name + "`"
	if name == "" {
		r.label = "rule " + strconv.Itoa(number)
		called = r.label
	}
	r.cited = called + " of " + file + " line " + strconv.Itoa(line)
	r.grant = r.cited + " allows it"
}

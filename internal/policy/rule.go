package policy

import (
	"slices"
	"strconv"
)

// rule is a rule of the file, ready to be compared with requests.
type rule struct {
	runs        []word
	connections []connectionPattern
	sameAs      int // rules with the same connections have the same number
	hosts       []hostPattern
	methods     []string
	usual       methodSet // of methods: those that have a bit
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
	provider, name word // name is * where the entry names the provider alone
}

// answer is what comparing a rule with a request comes to.
type answer int

const (
	other   answer = iota // the rule is about something else
	meets                 // it is about this request
	hidden                // it depends on what a tunnel does not show
	unclear               // it is about paths, and this one can be read in more than one way
)

// served reports whether the rule can be about hosts that a connection serves.
func (r *rule) served() bool { return r.verdict != Tunnel }

// unserved reports whether it can be about those that none serves.
func (r *rule) unserved() bool { return len(r.hosts) > 0 && len(r.connections) == 0 }

// about compares the rule with a request, if it can be about such hosts. What costs least comes first.
func (r *rule) about(q *question) answer {
	q.named = false
	switch {
	case len(r.methods) > 0 && !q.hidden && !r.forMethod(q):
		return other
	case len(r.hosts) > 0 && !r.forHost(q):
		return other
	case len(r.connections) > 0 && !r.forConnection(q):
		return other
	case len(r.runs) > 0 && !r.forRun(q):
		return other
	case q.hidden && (len(r.methods) > 0 || len(r.paths) > 0 || r.readOnly):
		return hidden
	case len(r.paths) == 0:
		return meets
	}
	return r.aboutPath(q.path())
}

// methodSet has a bit for each of the methods that nearly every request has.
type methodSet uint8

func usualMethod(method string) methodSet {
	switch method {
	case "GET":
		return 1
	case "POST":
		return 2
	case "PUT":
		return 4
	case "DELETE":
		return 8
	case "PATCH":
		return 16
	case "HEAD":
		return 32
	case "OPTIONS":
		return 64
	}
	return 0
}

func (r *rule) forMethod(q *question) bool {
	if q.usual != 0 {
		return r.usual&q.usual != 0
	}
	return slices.Contains(r.methods, q.method)
}

// forHost notes whether the host is there by its own name, too.
func (r *rule) forHost(q *question) bool {
	found := false
	for i := range r.hosts {
		if p := &r.hosts[i]; p.fits(&q.host) {
			if !p.below {
				q.named = true
				return true
			}
			found = true
		}
	}
	return found
}

// forConnection looks the answer up where a rule with the same connections was asked before: many rules are
// about the same ones.
func (r *rule) forConnection(q *question) bool {
	if r.sameAs >= len(q.asked) {
		return r.hasConnection(q)
	}
	known := &q.asked[r.sameAs]
	if *known == 0 {
		*known = -1
		if r.hasConnection(q) {
			*known = 1
		}
	}
	return *known > 0
}

func (r *rule) hasConnection(q *question) bool {
	for i := range r.connections {
		if p := &r.connections[i]; p.provider.fits(string(q.Provider)) && p.name.fits(q.connection) {
			return true
		}
	}
	return false
}

func (r *rule) forRun(q *question) bool {
	for i := range r.runs {
		if r.runs[i].fits(q.Run) {
			return true
		}
	}
	return false
}

// aboutPath is meets or other where all readings of the path agree.
func (r *rule) aboutPath(path *readings) answer {
	if path.fault != "" {
		return unclear
	}
	met := 0
	for _, way := range path.ways[:path.count] {
		if fitsAny(r.paths, way) {
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

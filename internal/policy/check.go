package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/yamlpos"
)

// checker makes rules of what was read, and looks at what one value alone does not show.
type checker struct {
	*binder
	policy *Policy
	cited  []string       // how sentences call each rule
	lists  map[string]int // lists of connections, numbered
}

func (c *checker) all() {
	p := c.policy
	p.tunnel = p.file.UnmatchedHosts != string(Refuse)
	if n := c.places["unmatched_hosts"]; n != nil {
		p.line = c.At(n).Line
	}
	seen := map[string]int{}
	for i := range p.file.Rules {
		path := fmt.Sprintf("rules[%d]", i)
		c.name(path, p.file.Rules[i].Name, seen)
		c.add(c.rule(path, i), p.file.Rules[i].Connections)
	}
	if len(p.file.Rules) == 0 && c.places["rules"] != nil && !c.failed["rules"] {
		c.doubt(c.places["rules"], "rules", "there is no rule, so everything that a connection serves is refused")
	}
	if !c.problems.Failed() {
		c.reachable()
	}
}

func (c *checker) add(r rule, connections []string) {
	list := strings.Join(connections, " ")
	if _, known := c.lists[list]; !known {
		c.lists[list] = len(c.lists)
	}
	r.sameAs = c.lists[list]
	c.cited = append(c.cited, r.cited)
	if r.served() {
		c.policy.served = append(c.policy.served, r)
	}
	if r.unserved() {
		c.policy.unserved = append(c.policy.unserved, r)
	}
}

// wrong reports a value, unless it was found unusable before.
func (c *checker) wrong(path, message string) {
	if n := c.places[path]; n != nil && !c.failed[path] {
		c.refuse(n, path, message)
	}
}

func (c *checker) doubt(n *yaml.Node, path, message string) {
	c.problems = append(c.problems, Problem{Position: c.At(n), Path: path, Message: message, Warning: true})
}

func (c *checker) name(path, name string, seen map[string]int) {
	path += ".name"
	switch first, twice := seen[name]; {
	case name == "":
		return
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '`' }):
		c.wrong(path, "a name is one line of plain text, without backticks")
	case regexp.MustCompile(`^rule [0-9]+$`).MatchString(name):
		c.wrong(path, yamlpos.Quoted(name)+" is what rules without a name are called; use another")
	case twice:
		c.wrong(path, fmt.Sprintf("%s is already the name of the rule in line %d; use another", yamlpos.Quoted(name), first))
	default:
		seen[name] = c.At(c.places[path]).Line
	}
}

// rule reads what the entries of one rule mean, and how they go together.
func (c *checker) rule(path string, i int) rule {
	written := c.policy.file.Rules[i]
	r := rule{readOnly: written.ReadOnly, verdict: Verdict(written.Verdict)}
	if n := c.places[path]; n != nil {
		r.cite(written.Name, c.policy.name, i+1, c.At(n).Line)
	}
	r.runs = list(c, path+".runs", written.Runs, readRun)
	r.connections = list(c, path+".connections", written.Connections, readConnection)
	r.hosts = list(c, path+".hosts", written.Hosts, readHostPattern)
	r.methods = list(c, path+".methods", written.Methods, readMethod)
	for _, method := range r.methods {
		r.usual |= usualMethod(method)
	}
	r.paths = list(c, path+".paths", written.Paths, readPathPattern)
	if written.Rate != "" {
		var fault string
		if r.limit, fault = readRate(written.Rate, written.Burst); fault != "" {
			c.wrong(path+".rate", yamlpos.Quoted(written.Rate)+" "+fault)
		}
	} else if c.places[path+".burst"] != nil {
		c.wrong(path+".burst", "burst says how many of a rate may come at once, and there is no rate")
	}
	if r.limit != nil {
		r.limit.label = r.label
	}
	c.together(path, &r)
	if r.verdict == "" {
		r.verdict = Allow
	}
	return r
}

// together finds what no request could meet, or what could be meant in two ways.
func (c *checker) together(path string, r *rule) {
	has := func(key string) bool { return c.places[path+"."+key] != nil }
	verdict := path + ".verdict"
	switch {
	case c.failed[path] || c.failed[verdict] || c.failed[path+".read_only"]:
	case r.verdict == "" && !r.readOnly && !has("rate"):
		c.refuse(c.places[path], verdict, "this rule does not say what happens; write verdict: allow, ask, refuse or tunnel")
	case r.verdict == Refuse && (r.readOnly || has("rate")):
		c.wrong(verdict, "read_only and rate are about requests that go on, and this rule refuses them; keep one or the other")
	case r.verdict == Tunnel && !has("hosts"):
		c.wrong(verdict, "tunnel is for hosts that no connection serves, and this rule names none; add hosts")
	case r.verdict == Tunnel:
		for _, key := range []string{"connections", "methods", "paths", "read_only"} {
			if has(key) {
				c.wrong(path+"."+key, "a tunnel is for hosts that no connection serves, and hides what is sent in it; remove "+key+" or write another verdict")
			}
		}
	}
	if !r.readOnly {
		return
	}
	for i, method := range r.methods {
		if !slices.Contains([]string{"GET", "HEAD", "OPTIONS", "POST"}, method) {
			c.wrong(fmt.Sprintf("%s.methods[%d]", path, i), method+" does more than read, and the rule is read_only; remove one of them")
		}
	}
}

// list reads the entries of a list, each by read, whose answer goes on after the entry. One that comes
// twice is a slip, and most often another one was meant.
func list[T any](c *checker, path string, written []string, read func(string) (T, string)) []T {
	var out []T
	seen := map[string]bool{}
	for i, text := range written {
		at := fmt.Sprintf("%s[%d]", path, i)
		if c.failed[at] || c.places[at] == nil {
			continue
		}
		entry, fault := read(text)
		switch {
		case fault != "":
			c.wrong(at, yamlpos.Quoted(text)+" "+fault)
			continue
		case seen[text]:
			c.wrong(at, yamlpos.Quoted(text)+" is here twice; keep one")
			continue
		}
		seen[text] = true
		out = append(out, entry)
	}
	return out
}

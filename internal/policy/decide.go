package policy

import (
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
)

// Verdict is what happens to a request.
type Verdict string

// The verdicts.
const (
	// Allow: the request gets its credential and goes on.
	Allow Verdict = "allow"
	// Ask: a person has to agree first; whoever cannot ask refuses.
	Ask Verdict = "ask"
	// Refuse: it goes nowhere.
	Refuse Verdict = "refuse"
	// Tunnel: it passes untouched, without a credential. Only for hosts that no connection serves.
	Tunnel Verdict = "tunnel"
)

// unnamed is what people call the connection that has no name.
const unnamed = "default"

// Request is what a proxy knows of a request when it has to decide.
type Request struct {
	// Run names the run or agent that sends it.
	Run string
	// Provider and Connection are whose credential it would get. They count where Matched is set.
	Provider   keybearer.ProviderID
	Connection string
	// Method is the request's; "" while only a tunnel to an unmatched host is asked for, which hides what
	// is sent in it.
	Method string
	// Override is the method that a header asks the upstream to take the request for, as [Override] finds it.
	Override string
	// Host is the one of the connection that was opened (not what a Host header says), with a port that is
	// not 443.
	Host string
	// Path is as it goes to the upstream, with its percent-encoding and without query: what
	// [net/url.URL.EscapedPath] gives.
	Path string
	// Upgrade: it asks for a WebSocket or another protocol, in which both sides then say what they like.
	Upgrade bool
	// Matched: a connection serves the host.
	Matched bool
}

// Decision is the answer.
type Decision struct {
	Verdict Verdict
	// Rule is the name of the rule, or "rule 3"; "" where no rule decided.
	Rule string
	// Named: the rule names this very host, not a pattern of hosts.
	Named bool
	// Reason is a sentence for people and agents. It has neither the path nor anything of a body.
	Reason string
	// RetryAfter is when it may be tried again, where [Limiter.Take] refused it; else 0.
	RetryAfter time.Duration

	cited string
	limit *limit
}

// Policy is a policy.yaml that was read without an error. Nil is the one of people who have none: all that
// connections serve is allowed, and all else is tunnelled. It never changes, and may be used concurrently.
type Policy struct {
	file   File
	name   string // how sentences call the file
	tunnel bool   // unmatched hosts
	line   int    // of unmatched_hosts, or 0
	// The rules that can be about hosts that a connection serves, and about others, each in their order.
	served, unserved []rule

	reads []reading
	fault string // why the file cannot be used; then nothing goes on
}

// File is what was read. It is the caller's to read, not to change.
func (p *Policy) File() File {
	if p == nil {
		return File{}
	}
	return p.file
}

// question is a request that is being judged.
type question struct {
	*Request
	method     string // in capitals: servers are known to take post for POST
	usual      methodSet
	connection string
	asked      [32]int8 // by rule.sameAs: 1 and -1 are known answers
	host       host
	hidden     bool // a tunnel, in which nothing can be seen
	named      bool // the rule that was looked at last names the very host
	read       bool // way has been filled
	way        readings
}

func (q *question) path() *readings {
	if !q.read {
		q.way, q.read = readPath(q.Path), true
	}
	return &q.way
}

// Decide judges a request: the first rule that fits it decides. What none fits is refused where a
// connection serves the host, and is for unmatched_hosts where none does. A request with an Override is
// judged by both of its methods, and the stricter verdict counts.
func (p *Policy) Decide(request Request) Decision {
	d := p.decide(request)
	if request.Override == "" || p == nil {
		return d
	}
	return p.stricter(d, request)
}

func (p *Policy) decide(request Request) Decision {
	switch {
	case p == nil && request.Matched:
		return Decision{Verdict: Allow, Reason: "there is no policy: what a connection serves is allowed"}
	case p == nil:
		return Decision{Verdict: Tunnel, Reason: "no connection serves the host"}
	case p.fault != "":
		return Decision{Verdict: Refuse, Reason: p.fault}
	}
	q := question{Request: &request, method: upper(request.Method), connection: request.Connection, hidden: request.Method == ""}
	if q.connection == "" {
		q.connection = unnamed
	}
	var ok bool
	if q.host, ok = readHost(request.Host); !ok {
		q.host = host{}
		return p.refuse(&q, nil, p.name+" cannot be held against this host: write it as a name of DNS in ASCII, or as an address")
	}
	if q.hidden && request.Matched {
		return p.refuse(&q, nil, "a request to a host that a connection serves is judged by its method, and this one has none")
	}
	q.usual = usualMethod(q.method)
	rules := p.unserved
	if q.Matched {
		rules = p.served
	}
	for i := range rules {
		r := &rules[i]
		switch r.about(&q) {
		case meets:
			return p.apply(r, &q)
		case unclear:
			return p.refuse(&q, r, "the path can be read in more than one way ("+unclearPath(q.path())+"), and "+r.cited+" is about paths; write it in its plain form")
		case hidden:
			if r.verdict != Allow || r.readOnly {
				return p.refuse(&q, r, r.cited+" is about what a tunnel hides")
			}
		}
	}
	return p.fallback(&q)
}

func unclearPath(path *readings) string {
	if path.fault != "" {
		return path.fault
	}
	return "it has dot segments or doubled slashes"
}

// apply gives the verdict of the rule that fits.
func (p *Policy) apply(r *rule, q *question) Decision {
	d := Decision{Verdict: r.verdict, Rule: r.label, Named: q.named, cited: r.cited, limit: r.limit}
	switch {
	case r.readOnly && !p.onlyReads(q):
		return p.refuse(q, r, r.cited+" lets through only what reads")
	case r.verdict == Refuse:
		return p.refuse(q, r, r.cited)
	case r.verdict == Ask:
		d.Reason = "the policy asks a person about " + q.what() + ": " + r.cited
		return d
	}
	if !q.Matched {
		d.Verdict = Tunnel
	}
	d.Reason = r.grant
	return d
}

// fallback is for what no rule fits.
func (p *Policy) fallback(q *question) Decision {
	switch {
	case q.Matched:
		return p.refuse(q, nil, "no rule of "+p.name+" allows it; whoever may change that file can add one")
	case p.tunnel:
		return Decision{Verdict: Tunnel, Reason: "no connection serves the host"}
	}
	return p.refuse(q, nil, "no connection serves the host, and "+p.name+" line "+strconv.Itoa(p.line)+" has unmatched_hosts: refuse")
}

func (p *Policy) refuse(q *question, r *rule, why string) Decision {
	d := Decision{Verdict: Refuse, Reason: "the policy refuses " + q.what() + ": " + why}
	if r != nil {
		d.Rule = r.label
	}
	return d
}

// what is how sentences call the request. Method and host are the agent's words, and are cut and cleaned.
func (q *question) what() string {
	to := q.host.name
	switch {
	case to == "":
		to = "a host"
	case q.host.port != "":
		to += " port " + q.host.port
	}
	switch {
	case q.hidden:
		return "a tunnel to " + to
	case len(q.method) > 20 || !token(q.method):
		return "a request to " + to
	}
	return q.method + " at " + to
}

// token reports a method as RFC 9110 (section 9.1) has them, of letters, digits, - and _.
func token(method string) bool {
	for i := range len(method) {
		if c := method[i]; !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return method != ""
}

func upper(method string) string {
	for i := range len(method) {
		if c := method[i]; c >= 'a' && c <= 'z' {
			return strings.ToUpper(method)
		}
	}
	return method
}

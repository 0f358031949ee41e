package proxy

import (
	"context"
	"time"

	"github.com/keybearer/keybearer"
)

// Verdict is what a [Policy] says of a request.
type Verdict int

// The verdicts.
const (
	// Allow lets a request through; one to a host that no connection serves is tunnelled.
	Allow Verdict = iota
	// Refuse answers 403.
	Refuse
	// Confirm asks somebody first; see [Config.Ask].
	Confirm
	// Tunnel lets a host through without interception, also one that a connection serves.
	Tunnel
	// Wait answers 429.
	Wait
)

// Asked is what a policy decides about: a request to a host that a connection serves, or a whole tunnel,
// of which only the host is known: then Method is CONNECT and Path empty.
type Asked struct {
	Run        string
	Provider   keybearer.ProviderID
	Connection string
	// Method as it was sent; Host has a port that is not 443. Path has no query: its escapes are undone
	// but those of slashes, percent signs and control characters, and it has no dot segments.
	Method, Host, Path string
	// Matched: a connection serves the host.
	Matched bool
}

// Ruling is a policy's answer.
type Ruling struct {
	Verdict Verdict
	// Rule names what decided, "" for a default. A tunnel that a rule allows may lead to a private network
	// and to this machine, but never to where clouds hand out credentials.
	Rule   string
	Reason string
	// After is when to try again, where the verdict is Wait.
	After time.Duration
	// Own lets a credential of the agent's own go out. Else it is replaced by the connection's.
	Own bool
}

// Policy decides what agents may do. It must be safe for concurrent use, fast, and it must not block: it is
// asked for each request. For the CONNECT of a host that a connection serves only the verdict Tunnel
// counts, since each request is decided on its own.
type Policy interface {
	Decide(Asked) Ruling
}

// Question is what somebody is asked before a request goes on.
type Question struct {
	Asked
	Rule, Reason string
}

// askLife is how long an answer is waited for.
const askLife = 2 * time.Minute

// permit asks the policy, and somebody where it says so.
func (p *Proxy) permit(ctx context.Context, q Asked) (Ruling, *refusal) {
	if p.cfg.Policy == nil {
		return Ruling{}, nil
	}
	ruling := p.cfg.Policy.Decide(q)
	switch ruling.Verdict {
	case Allow, Tunnel:
		return ruling, nil
	case Wait:
		r := refuse(429, CodeRate, keybearer.RateLimited, "the policy limits the rate of %s%s", q.subject(), ruling.because())
		r.after = max(ruling.After, time.Second)
		return ruling, r
	case Confirm:
		return ruling, p.confirm(ctx, q, ruling)
	}
	return ruling, refuse(403, CodePolicy, keybearer.PermissionDenied, "the policy refuses %s%s", q.subject(), ruling.because()).
		do("if this is meant to work, change the rule in policy.yaml")
}

func (p *Proxy) confirm(ctx context.Context, q Asked, ruling Ruling) *refusal {
	if p.cfg.Ask == nil {
		return refuse(403, CodeNotConfirmed, keybearer.PermissionDenied, "the policy wants %s to be confirmed, and nobody can be asked here%s", q.subject(), ruling.because())
	}
	ctx, cancel := context.WithTimeout(ctx, askLife)
	defer cancel()
	switch yes, err := p.cfg.Ask(ctx, Question{Asked: q, Rule: ruling.Rule, Reason: ruling.Reason}); {
	case err != nil:
		return refuse(403, CodeNotConfirmed, keybearer.PermissionDenied, "nobody has confirmed %s: %s", q.subject(), err)
	case !yes:
		return refuse(403, CodeNotConfirmed, keybearer.PermissionDenied, "%s was not allowed when somebody was asked%s", q.subject(), ruling.because())
	}
	return nil
}

func (q *Asked) subject() string {
	if q.Path == "" {
		return "connections to " + q.Host
	}
	return q.Method + " " + q.Host + q.Path
}

func (r *Ruling) because() string {
	switch {
	case r.Rule != "" && r.Reason != "":
		return " (" + r.Rule + ": " + r.Reason + ")"
	case r.Rule != "" || r.Reason != "":
		return " (" + r.Rule + r.Reason + ")"
	}
	return ""
}

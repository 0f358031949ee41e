package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/keybearer/keybearer"
)

// Verdict is what a [Policy] says of a request.
type Verdict int

// The verdicts.
const (
	// Allow lets a request through; one to a host that no connection serves is tunnelled.
	Allow Verdict = iota
	// Refuse answers 403, or 429 where [Ruling.After] says when to come again.
	Refuse
	// Confirm asks somebody first; see [Config.Ask].
	Confirm
)

// Asked is what a policy decides about: a request, or a whole tunnel to a host that no connection serves.
type Asked struct {
	Run string
	// Provider and Connection are whose credential the request would get, where Matched.
	Provider   keybearer.ProviderID
	Connection string
	// Method is the request's; "" for a tunnel, which hides what is in it.
	Method string
	// Host is the one of the CONNECT or of the URL, with a port that is not 443.
	Host string
	// Path is as it was sent, with its escapes and without query. It has no dot segments.
	Path string
	// Override is another method that a header asks the upstream to take the request for, or "".
	Override string
	// Upgrade: the request asks for a WebSocket or another protocol.
	Upgrade bool
	// Matched: a connection serves the host.
	Matched bool
}

// Ruling is a policy's answer.
type Ruling struct {
	Verdict Verdict
	// Rule names what decided, "" for a default; Reason is a sentence for people and agents.
	Rule, Reason string
	// After is when to try again, of a rate.
	After time.Duration
	// Near lets a tunnel, or plain HTTP, lead to private networks and to this machine: for a rule that names
	// the very host. Where clouds hand out credentials nothing ever leads.
	Near bool
	// Own lets a credential of the agent's own go out. Else it is replaced by the connection's.
	Own bool
}

// Policy decides what agents may do. It must be safe for concurrent use, fast, and it must not block: it is
// asked once for each request, and once for each tunnel, so that it can count them. Hosts that a connection
// serves are always intercepted, and their requests decided one by one.
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
	case Allow:
		return ruling, nil
	case Confirm:
		return ruling, p.confirm(ctx, q, ruling)
	}
	if ruling.After > 0 {
		r := refuse(429, CodeRate, keybearer.RateLimited, "the policy limits the rate of %s%s", q.subject(), ruling.because())
		r.after = ruling.After
		return ruling, r
	}
	said := ruling.Reason
	if said == "" {
		said = "the policy refuses " + q.subject() + ruling.because()
	}
	return ruling, refuse(403, CodePolicy, keybearer.PermissionDenied, "%s", said).
		do("if this is meant to work, change the rule in policy.yaml")
}

func (p *Proxy) confirm(ctx context.Context, q Asked, ruling Ruling) *refusal {
	if p.cfg.Ask == nil {
		return refuse(403, CodeNotConfirmed, keybearer.PermissionDenied, "the policy wants %s to be confirmed, and nobody can be asked here%s", q.subject(), ruling.because())
	}
	ctx, cancel := context.WithTimeout(ctx, askLife)
	defer cancel()
	switch yes, err := p.cfg.Ask(ctx, Question{Asked: q, Rule: ruling.Rule, Reason: ruling.Reason}); {
	case errors.Is(err, context.DeadlineExceeded):
		return refuse(403, CodeNotConfirmed, keybearer.PermissionDenied, "nobody has confirmed %s within %s", q.subject(), askLife)
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

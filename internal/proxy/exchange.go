package proxy

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
)

// maxPath is how much of a path the audit gets.
const maxPath = 2000

// exchange is one request of an agent and its answer.
type exchange struct {
	p      *Proxy
	w      http.ResponseWriter
	r      *http.Request
	agent  *agent
	to     target
	scheme string
	// absolute: it came to the proxy itself, and not through a CONNECT.
	absolute bool
	began    time.Time

	header http.Header // what goes out
	query  string
	path   string // as policy and audit have it
	found  placeholder
	ruling Ruling
	via    served // nil route: nothing is put on the request
	held   *held
	own    bool // a credential of the agent's own goes out
	dead   bool // the connection gives no token until somebody logs in

	status   int
	sent     atomic.Int64
	received int64
	broken   error // what ended the answer before its end
}

// serveInner answers what comes through an interception.
func (p *Proxy) serveInner(w http.ResponseWriter, r *http.Request) {
	if !p.begin() {
		closing().write(w)
		return
	}
	defer p.end()
	c, ok := r.Context().Value(carriedKey{}).(*carried)
	if !ok {
		refuse(http.StatusBadRequest, CodeBadRequest, keybearer.BadRequest, "a request without a CONNECT").write(w)
		return
	}
	x := &exchange{p: p, w: w, r: r, agent: c.agent, to: c.to, scheme: "https", began: p.now()}
	x.serve()
}

// serveAbsolute answers requests whose line has the whole URL. For http:// nothing is injected, but where a route
// names a port of this machine. For https:// it is as if they had come through an interception, or a tunnel: axios
// knew no CONNECT for ten years (1.7.9 does not), and leaves TLS to the proxy.
func (p *Proxy) serveAbsolute(w http.ResponseWriter, r *http.Request, a *agent, port uint16) {
	to, err := parseTarget(r.URL.Host, port)
	if err != nil || r.URL.User != nil {
		refuse(http.StatusBadRequest, CodeBadRequest, keybearer.BadRequest, "the URL names no host that can be used, or a user").write(w)
		return
	}
	x := &exchange{p: p, w: w, r: r, agent: a, to: to, scheme: r.URL.Scheme, absolute: true, began: p.now()}
	x.serve()
}

func (x *exchange) serve() {
	refused := x.forward()
	if refused != nil {
		x.status = refused.status
		refused.write(x.w)
		x.p.log.Info("a request was not forwarded", "run", x.agent.name, "method", x.r.Method, "host", x.to.shown(), "code", refused.code, "reason", refused.detail)
	}
	x.audit(refused)
	if x.broken != nil {
		_ = x.r.Body.Close()        // or the transport might still read it
		panic(http.ErrAbortHandler) // the only way to tell the agent that its answer is not whole
	}
}

// forward sends the request on and its answer back. A refusal is what is to be answered instead; then
// nothing has been answered yet.
func (x *exchange) forward() *refusal {
	if r := x.check(); r != nil {
		return r
	}
	seen := x.p.table.Load()
	refused := x.attempt()
	if refused != nil && x.dead && x.p.refresh(x.r.Context(), seen) { // somebody may have logged in again
		return x.attempt()
	}
	return refused
}

func (x *exchange) attempt() *refusal {
	x.via, x.dead = served{}, false
	if r := x.route(); r != nil {
		return r
	}
	if r := x.permit(); r != nil {
		return r
	}
	if x.via.route == nil {
		return x.pass()
	}
	return x.inject()
}

// check refuses what could mean something else to others than it does to us.
func (x *exchange) check() *refusal {
	if x.r.Method == http.MethodConnect {
		return refuse(http.StatusBadRequest, CodeBadRequest, keybearer.BadRequest, "there is no CONNECT within a CONNECT")
	}
	if x.r.URL.User != nil || x.scheme == "https" && x.r.URL.IsAbs() && x.r.URL.Scheme != "https" {
		return refuse(http.StatusBadRequest, CodeBadRequest, keybearer.BadRequest, "the URL of the request has a user, or another scheme than its connection")
	}
	if host, err := parseTarget(x.r.Host, x.to.port); err != nil || host != x.to {
		return refuse(http.StatusMisdirectedRequest, CodeHostMismatch, keybearer.BadRequest, "the request is for another host than its connection, which is for %s", x.to.shown())
	}
	escaped := x.r.URL.EscapedPath()
	if hasDots(escaped) && (x.scheme == "https" || isLoopback(x.to)) { // where a credential may go
		return refuse(http.StatusBadRequest, CodePath, keybearer.BadRequest, "the path has dot segments, which not everybody reads in the same way: write the path that is meant")
	}
	x.path = plainPath(escaped)
	x.query = x.r.URL.RawQuery
	x.header = onwards(x.r.Header)
	found, err := x.agent.seek(x.r.URL, x.header)
	if err != nil {
		return refuse(http.StatusBadRequest, CodeTwo, keybearer.BadRequest, "the request has the placeholders of two connections: send one")
	}
	x.found = found
	return nil
}

// audit records what was injected or refused.
func (x *exchange) audit(refused *refusal) {
	if x.via.route == nil && refused == nil {
		return
	}
	i := keybearer.Injection{
		Time: x.began, Run: x.agent.name, Method: x.r.Method, Host: x.to.shown(), Path: x.path[:min(len(x.path), maxPath)], Status: x.status,
		Sent: x.sent.Load(), Received: x.received, Took: x.p.now().Sub(x.began), Outcome: "ok",
	}
	if x.via.route != nil {
		i.Ref, i.Connection = x.via.Ref, x.via.Connection
	} else if x.found.text != "" {
		i.Ref, i.Connection = x.found.ref, x.p.table.Load().connection(x.found.ref)
	}
	switch {
	case refused != nil:
		i.Outcome, i.Reason = string(refused.kind), refused.detail
	case x.broken != nil:
		i.Outcome, i.Reason = string(keybearer.ProviderAway), "the answer broke off"
		if x.r.Context().Err() != nil {
			i.Reason = "the agent hung up before the answer's end"
		}
	}
	x.p.record(i)
}

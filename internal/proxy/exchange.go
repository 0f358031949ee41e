package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
)

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
	if hasDots(escaped) {
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

// route finds the connection whose credential is meant. None is where the request is passed on as it is.
func (x *exchange) route() *refusal {
	if x.scheme == "http" {
		return x.routePlain()
	}
	t := x.p.table.Load()
	if t.endpoints[x.to.String()+strings.TrimRight(x.path, "/")] {
		return x.elsewhere("an OAuth endpoint of the provider, which gets no connection's credential")
	}
	serving := x.p.serving(x.r.Context(), x.agent, x.to, false)
	if len(serving) == 0 && x.absolute {
		return x.elsewhere("a host that no connection serves")
	}
	if len(serving) == 0 {
		return refuse(http.StatusForbidden, CodeNoConnection, keybearer.NotFound, "no connection of %s serves %s any more", x.agent.name, x.to.shown()).
			do("run: keybearer login")
	}
	candidates := nearest(serving, x.path)
	if len(candidates) == 0 {
		return x.elsewhere("a path that no connection serves")
	}
	return x.choose(candidates)
}

// routePlain finds the connection for a port of this machine that a route names, as those of a sandbox.
func (x *exchange) routePlain() *refusal {
	if isLoopback(x.to) {
		if candidates := nearest(x.p.serving(x.r.Context(), x.agent, x.to, true), x.path); len(candidates) > 0 {
			return x.choose(candidates)
		}
	}
	return x.elsewhere("a host over plain HTTP")
}

// elsewhere is for requests that get no credential. They must not have a placeholder.
func (x *exchange) elsewhere(what string) *refusal {
	if x.found.text == "" {
		return nil
	}
	secure := target{host: x.to.host, port: portHTTPS}
	if x.scheme == "http" && slices.ContainsFunc(x.p.table.Load().at(secure), func(s served) bool { return s.Ref == x.found.ref }) {
		return refuse(http.StatusForbidden, CodePlainHTTP, keybearer.PermissionDenied, "the credential of %s does not go out over plain HTTP", x.found.ref).
			do("use https://%s", x.to.host)
	}
	return refuse(http.StatusForbidden, CodeElsewhere, keybearer.PermissionDenied, "the placeholder of %s was on its way to %s: %s", x.found.ref, x.to.shown(), what)
}

// nearest are those whose part of the host a path is in, and where they differ the narrowest.
func nearest(all []served, path string) []served {
	longest, found := -1, []served(nil)
	for _, s := range all {
		switch {
		case !below(path, s.prefix) || len(s.prefix) < longest:
		case len(s.prefix) > longest:
			longest, found = len(s.prefix), []served{s}
		default:
			found = append(found, s)
		}
	}
	return found
}

// choose takes the connection that the placeholder stands for, else the only one, else the default one.
func (x *exchange) choose(candidates []served) *refusal {
	if x.found.text != "" {
		i := slices.IndexFunc(candidates, func(s served) bool { return s.Ref == x.found.ref })
		if i < 0 {
			return x.elsewhere("its connection does not serve that host")
		}
		x.via = candidates[i]
		return nil
	}
	if len(candidates) > 1 {
		names := namesOf(candidates)
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(s served) bool { return !s.Default })
		if len(candidates) != 1 {
			return refuse(http.StatusForbidden, CodeChoose, keybearer.PermissionDenied, "several connections serve %s, and the request does not say which is meant: %s", x.to.shown(), names).
				do("send the placeholder of one of them, or make one the default: keybearer set-default")
		}
	}
	x.via = candidates[0]
	return nil
}

func namesOf(all []served) string {
	var names []string
	for _, s := range all {
		name := string(s.Ref.Provider)
		if s.Ref.Name != "" {
			name += " (" + s.Ref.Name + ")"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// permit asks the policy, which sees what is about to happen.
func (x *exchange) permit() *refusal {
	q := Asked{Run: x.agent.name, Method: x.r.Method, Host: x.to.shown(), Path: x.r.URL.EscapedPath(), Upgrade: x.upgrade() != ""}
	if x.via.route != nil {
		q.Provider, q.Connection, q.Matched = x.via.Ref.Provider, x.via.Ref.Name, true
	}
	var refused *refusal
	x.ruling, refused = x.p.permit(x.r.Context(), q)
	return refused
}

// pass sends the request on as it is.
func (x *exchange) pass() *refusal {
	strange := x.absolute && !x.ruling.Near
	if strange {
		if err := checkName(x.to, x.p.cfg.reach()); err != nil {
			return x.p.unreachable(x.to, err)
		}
	}
	res, refused := x.send(x.address(), strange)
	if refused != nil {
		return refused
	}
	x.answer(res)
	return nil
}

// address is where the request goes: the host of the connection, and path and query as they were sent.
func (x *exchange) address() *url.URL {
	u := &url.URL{Scheme: x.scheme, Host: x.to.shown(), Path: x.r.URL.Path, RawPath: x.r.URL.RawPath, RawQuery: x.query, ForceQuery: x.r.URL.ForceQuery}
	if x.scheme == "http" {
		if u.Host = x.to.String(); x.to.port == portHTTP {
			u.Host = strings.TrimSuffix(u.Host, ":80")
		}
	}
	return u
}

// inject puts the connection's credential on the request, and sends it. Where the API refuses the token, it
// is renewed once, and the request sent again if that can be done.
func (x *exchange) inject() *refusal {
	to := x.address()
	if x.via.site {
		at, err := x.via.resolver.ToGateway(to)
		if err != nil {
			return refuse(http.StatusForbidden, CodeNoAPI, keybearer.KindOf(err), "%s", err)
		}
		to = at
	}
	again, refused := x.replayable()
	if refused != nil {
		return refused
	}
	if refused := x.credential(to); refused != nil {
		return refused
	}
	res, refused := x.send(to, false)
	if refused != nil {
		return refused
	}
	if res.StatusCode == http.StatusUnauthorized {
		res, refused = x.unauthorized(res, to, again)
		if refused != nil {
			return refused
		}
	}
	x.explain(res)
	x.answer(res)
	return nil
}

// credential gets the token and puts it on the request.
func (x *exchange) credential(to *url.URL) *refusal {
	h, err := x.p.token(x.r.Context(), x.via.route)
	if err != nil {
		x.dead = isDead(err)
		return x.p.noToken(x.via.route, err)
	}
	x.held = h
	return x.lay(to, h)
}

// unauthorized is an API that refuses the token. Its answer stands where there is no other token, or the
// request cannot be made again.
func (x *exchange) unauthorized(res *http.Response, to *url.URL, again func()) (*http.Response, *refusal) {
	if !renewingHelps(x.via.route, res, x.p.now()) {
		return res, nil
	}
	other := x.p.renew(x.r.Context(), x.via.route, x.held)
	if other == nil || again == nil {
		return res, nil
	}
	_ = res.Body.Close()
	again()
	x.header = onwards(x.r.Header)
	x.query = x.r.URL.RawQuery
	to = &url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path, RawPath: to.RawPath, RawQuery: x.query, ForceQuery: to.ForceQuery}
	x.held = other
	if refused := x.lay(to, other); refused != nil {
		return nil, refused
	}
	next, refused := x.send(to, false)
	if refused == nil && next.StatusCode == http.StatusUnauthorized {
		x.p.inVain(x.via.route)
	}
	return next, refused
}

// audit records what was injected or refused.
func (x *exchange) audit(refused *refusal) {
	if x.via.route == nil && refused == nil {
		return
	}
	i := keybearer.Injection{
		Time: x.began, Run: x.agent.name, Method: x.r.Method, Host: x.to.shown(), Path: x.path, Status: x.status,
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

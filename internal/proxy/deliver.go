package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/policy"
)

// permit asks the policy, which sees what is about to happen.
func (x *exchange) permit() *refusal {
	q := Asked{Run: x.agent.name, Method: x.r.Method, Host: x.to.shown(), Path: x.r.URL.EscapedPath(), Upgrade: x.upgrade() != "", Override: policy.Override(x.r.Header)}
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
	if x.own || !renewingHelps(x.via.route, res, x.p.now()) {
		return res, nil
	}
	other, dead := x.p.renew(x.r.Context(), x.via.route, x.held)
	if dead != nil { // the API's own words would not say what helps
		_ = res.Body.Close()
		x.dead = true
		return nil, x.p.noToken(x.via.route, dead)
	}
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

package proxy

import (
	"errors"
	"net/http"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

// isDead reports an error after which only a person can help.
func isDead(err error) bool {
	return errors.Is(err, keybearer.Reauthorize) || errors.Is(err, keybearer.NotFound)
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*keybearer.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// noToken is the answer where there is no credential: nothing is ever forwarded without one.
func (p *Proxy) noToken(r *route, err error) *refusal {
	login := "run: keybearer login " + string(r.Ref.Provider)
	if r.Ref.Name != "" {
		login += " --connection " + r.Ref.Name
	}
	kind := keybearer.KindOf(err)
	switch kind {
	case keybearer.Reauthorize:
		return refuse(http.StatusForbidden, CodeReauthorize, kind, "the connection %s gives no token: %s", named(r.Ref), err).do("%s", login)
	case keybearer.NotFound, keybearer.ProviderNotFound:
		return refuse(http.StatusForbidden, CodeNoConnection, kind, "there is no connection %s: %s", named(r.Ref), err).do("%s", login)
	case keybearer.PermissionDenied, keybearer.Unauthenticated:
		return refuse(http.StatusForbidden, CodeNotAllowed, kind, "the token of %s may not be had: %s", named(r.Ref), err)
	case keybearer.Internal:
		p.log.Error("a token could not be had", "provider", r.Ref.Provider, "connection", r.Connection, "error", err)
		return refuse(http.StatusBadGateway, CodeTokenAway, kind, "the token of %s could not be had, for a reason that is in the log", named(r.Ref))
	}
	refused := refuse(http.StatusBadGateway, CodeTokenAway, kind, "the token of %s cannot be had now: %s", named(r.Ref), err)
	refused.after = retryAfter(err)
	return refused
}

// renewingHelps reports whether another token may change an answer of 401. At Atlassian it often does not:
// a scope that is missing is told in the same way.
func renewingHelps(r *route, res *http.Response, at time.Time) bool {
	if !r.atAtlassian() {
		return true
	}
	f := atlassian.Explain(res, nil, at)
	return f == nil || f.Renew
}

// atAtlassian reports a provider whose sites are those of Atlassian: no other has any.
func (r *route) atAtlassian() bool { return r.Gateway != "" || len(r.Sites) > 0 }

// explain tells the agent and the log what a refusal of Atlassian's means.
func (x *exchange) explain(res *http.Response) {
	if res.StatusCode < 400 || !x.via.atAtlassian() {
		return
	}
	f := atlassian.Explain(res, x.held.token.Scopes, x.p.now())
	if f == nil || f.Advice == "" {
		return
	}
	x.w.Header().Set(HeaderAdvice, asciiLine(f.Advice))
	x.p.log.Info("the API refused a request", "run", x.agent.name, "provider", x.via.Ref.Provider, "method", x.r.Method, "host", x.to.shown(), "status", res.StatusCode, "advice", f.Advice)
}

// asciiLine makes a text fit for a header.
func asciiLine(text string) string {
	line := make([]byte, 0, min(len(text), 1000))
	for _, r := range text {
		switch {
		case len(line) == cap(line):
			return string(line)
		case r < ' ' || r > '~':
			r = '?'
		}
		line = append(line, byte(r))
	}
	return string(line)
}

package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/egress"
)

// serveOuter answers what agents ask the proxy itself.
func (p *Proxy) serveOuter(w http.ResponseWriter, r *http.Request) {
	if !p.begin() {
		closing().write(w)
		return
	}
	defer p.end()
	a := p.authenticate(r)
	if a == nil {
		refuse(http.StatusProxyAuthRequired, CodeProxyAuth, keybearer.Unauthenticated, "this proxy is for agents that it knows: use the proxy URL of the run, with its user and password").write(w)
		return
	}
	switch {
	case r.Method == http.MethodConnect:
		p.connect(w, r, a)
	case r.URL.Scheme == "http" && r.URL.Host != "":
		p.serveAbsolute(w, r, a, portHTTP)
	case r.URL.Scheme == "https" && r.URL.Host != "" && fromHere(r):
		p.serveAbsolute(w, r, a, portHTTPS)
	case r.URL.IsAbs():
		refuse(http.StatusBadRequest, CodeBadRequest, keybearer.BadRequest, "only http:// is asked for in this way, and https:// from this machine alone: use CONNECT").write(w)
	default:
		refuse(http.StatusBadRequest, CodeBadRequest, keybearer.BadRequest, "this is a proxy, and no server of its own").write(w)
	}
}

// fromHere reports an agent on this machine.
func fromHere(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// connect answers a CONNECT: by interception where a connection serves the host, else by a tunnel.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request, a *agent) {
	to, err := parseTarget(r.RequestURI, 0)
	if err != nil {
		refuse(http.StatusBadRequest, CodeBadRequest, keybearer.BadRequest, "CONNECT names no host and port: %s", err).write(w)
		return
	}
	if len(p.serving(r.Context(), a, to, false)) > 0 {
		p.intercept(w, a, to)
		return
	}
	ruling, refusal := p.permit(r.Context(), Asked{Run: a.name, Host: to.shown()})
	if refusal == nil {
		refusal = p.tunnel(r.Context(), w, to, p.reachOf(ruling))
	}
	if refusal != nil {
		p.refuseTunnel(w, a, to, refusal)
	}
}

func (p *Proxy) reachOf(ruling Ruling) egress.Reach {
	if ruling.Near {
		return egress.ReachAll
	}
	return p.cfg.reach()
}

func (p *Proxy) refuseTunnel(w http.ResponseWriter, a *agent, to target, r *refusal) {
	r.write(w)
	p.record(keybearer.Injection{
		Time: p.now(), Run: a.name, Method: http.MethodConnect, Host: to.shown(), Status: r.status,
		Outcome: string(r.kind), Reason: r.detail,
	})
}

// serving lists what serves a target for an agent. Before it is nothing, the routes are looked at again.
func (p *Proxy) serving(ctx context.Context, a *agent, to target, plain bool) []served {
	t := p.table.Load()
	found := a.mine(t.by(to, plain))
	if len(found) == 0 && p.refresh(ctx, t) {
		found = a.mine(p.table.Load().by(to, plain))
	}
	return found
}

// mine are those that the agent may use.
func (a *agent) mine(all []served) []served {
	if a.allowed == nil {
		return all
	}
	var mine []served
	for _, s := range all {
		if a.mayUse(s.Ref) {
			mine = append(mine, s)
		}
	}
	return mine
}

// takeOver hijacks an agent's connection, and says yes to its CONNECT. Early is what it sent behind that.
func (p *Proxy) takeOver(w http.ResponseWriter) (c net.Conn, early []byte, err error) {
	c, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if !p.keep(c) {
		_ = c.Close()
		return nil, nil, errors.New("the proxy is closing")
	}
	if n := both.Reader.Buffered(); n > 0 {
		early = make([]byte, n)
		_, err = both.Reader.Read(early)
	}
	if err == nil {
		_, err = c.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
	}
	if err != nil {
		p.drop(c)
		return nil, nil, err
	}
	return c, early, nil
}

func (p *Proxy) record(i keybearer.Injection) {
	if p.cfg.Record != nil {
		p.cfg.Record(i)
	}
}

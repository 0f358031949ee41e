package proxy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/keybearer/keybearer/internal/egress"
)

// dial connects to the end of a tunnel, through the proxy before us where there is one. Early is what came
// from there already.
func (p *Proxy) dial(ctx context.Context, to target, reach egress.Reach) (c net.Conn, early []byte, err error) {
	via, err := p.cfg.upstream(&url.URL{Scheme: "https", Host: to.String()})
	if err != nil {
		return nil, nil, err
	}
	if err := checkName(to, reach); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	if via != nil {
		return dialVia(ctx, via, to, p.cfg.Roots)
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: reach.Control()}
	c, err = dialer.DialContext(ctx, "tcp", to.String())
	return c, nil, err
}

// checkName refuses what can be refused before a name is resolved: that is all there is where another proxy
// resolves it.
func checkName(to target, reach egress.Reach) error {
	if ip, ok := to.address(); ok {
		return reach.Check(netip.AddrPortFrom(ip, to.port))
	}
	if isLoopback(to) && reach != egress.ReachAll {
		return fmt.Errorf("%w: %s is this machine", egress.ErrReach, to.host)
	}
	return nil
}

// proxyRefused is the answer of the proxy before us to a CONNECT.
type proxyRefused struct {
	proxy  string
	status string
}

func (e *proxyRefused) Error() string {
	return fmt.Sprintf("the proxy %s answered %s", e.proxy, e.status)
}

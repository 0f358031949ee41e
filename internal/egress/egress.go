// Package egress makes the HTTP clients with which the engine calls providers. It decides which
// addresses may be dialled, by who supplied the URL; what is sent is the business of package oauth.
//
// The check is made on the address that is really dialled, after name resolution, so that a name
// which resolves to something else the second time (DNS rebinding) gains nothing. The proxy
// variables of the environment are ignored: a proxy would dial in our place, unchecked.
package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	answerTimeout    = 20 * time.Second
	idlePerHost      = 64
	// silence is how long an HTTP/2 connection may be quiet before it is asked whether it lives, and
	// how long it may take to answer. One that died unnoticed would else fail every request for minutes.
	silence = 15 * time.Second
)

// forOperator is for URLs that the operator wrote into a file on this machine: any address but those
// where clouds hand out credentials to whoever asks, which no OAuth server ever has.
func forOperator(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dialling %q: not an address", address)
	}
	if isMetadata(ap.Addr()) {
		return fmt.Errorf("%s is a link-local or metadata address, which is never called", ap.Addr())
	}
	return nil
}

// metadata are where clouds serve instances with credentials and settings.
func metadata() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"),     // IPv4 link-local: nearly all
		netip.MustParsePrefix("fe80::/10"),          // IPv6 link-local
		netip.MustParsePrefix("fd00:ec2::/32"),      // AWS
		netip.MustParsePrefix("fd20:ce::/32"),       // Google Cloud
		netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
		netip.MustParsePrefix("168.63.129.16/32"),   // Azure, a public address
		netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud, the older one
	}
}

func isMetadata(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range metadata() {
		if p.Contains(addr) {
			return true
		}
	}
	// NAT64 (RFC 6052) carries an IPv4 address in its last four bytes.
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(addr) {
		raw := addr.As16()
		return isMetadata(netip.AddrFrom4([4]byte(raw[12:])))
	}
	return false
}

// Operator gives the client for endpoints of the operator's file.
func Operator() *http.Client { return client(forOperator) }

// Public gives the client for endpoints that came over the API: public addresses, and the networks
// that the operator lists.
func Public(allow []netip.Prefix) *http.Client {
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	guard := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
	return client(func(network, address string, c syscall.RawConn) error {
		if err := forOperator(network, address, c); err != nil {
			return err
		}
		if err := guard.Safe(network, address, c); err != nil {
			return fmt.Errorf("%s is not a public address, and what was set over the API must have one; "+
				"an operator can permit its network under security.allow_networks", address)
		}
		return nil
	})
}

func client(check func(network, address string, c syscall.RawConn) error) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: check}
	return &http.Client{Transport: &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: silence},
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  answerTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        90 * time.Second,
	}}
}

// Patient is a client with the guard of another for calls of tools: the answer may take as long as the caller lets
// it, and idle connections end before a worker ends them, which many do after five seconds.
func Patient(c *http.Client) *http.Client {
	transport := c.Transport.(*http.Transport).Clone() // the two above have no other
	transport.ResponseHeaderTimeout = 0
	transport.IdleConnTimeout = 4 * time.Second
	return &http.Client{Transport: transport}
}

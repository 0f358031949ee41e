package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// Reach says which addresses a connection may lead to. None of them leads to link-local and metadata
// addresses.
type Reach int

// The reaches, from the narrowest.
const (
	// ReachPublic is the public Internet.
	ReachPublic Reach = iota
	// ReachPrivate adds private networks (RFC 1918, RFC 4193, and RFC 6598, which overlay networks use).
	ReachPrivate
	// ReachAll adds this machine and all the rest.
	ReachAll
)

// ErrReach marks an address that is beyond a [Reach], and ErrNever one that is beyond all of them.
var (
	ErrReach = errors.New("out of reach")
	ErrNever = fmt.Errorf("%w for everybody", ErrReach)
)

// Control gives what a [net.Dialer] checks each address with that it is about to connect to.
func (r Reach) Control() func(network, address string, c syscall.RawConn) error {
	guard := r.guard()
	return func(network, address string, c syscall.RawConn) error {
		if err := forOperator(network, address, c); err != nil {
			return fmt.Errorf("%w: %w", ErrNever, err)
		}
		if r != ReachAll && guard.Safe(network, address, c) != nil {
			return fmt.Errorf("%w: %s is not %s", ErrReach, address, r.what())
		}
		return nil
	}
}

// Check reports whether an address may be connected to, as Control does.
func (r Reach) Check(at netip.AddrPort) error {
	network := "tcp6"
	if at.Addr().Unmap().Is4() {
		network, at = "tcp4", netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	return r.Control()(network, at.String(), nil)
}

func (r Reach) what() string {
	if r == ReachPrivate {
		return "an address of the Internet or of a private network"
	}
	return "a public address"
}

func (r Reach) guard() *ssrf.Guardian {
	if r != ReachPrivate {
		return ssrf.New(ssrf.WithAnyPort())
	}
	return ssrf.New(ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
			netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("100.64.0.0/10")),
		ssrf.WithAllowedV6Prefixes(netip.MustParsePrefix("fc00::/7")))
}

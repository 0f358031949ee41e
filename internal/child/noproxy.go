package child

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// noProxy gives the list of hosts that are reached directly: the user's own, and this machine, but none that
// would lead to a served host. Programs disagree on which of the two variables counts, so both do. The proxy's
// own address is reached directly in any case: where a program in Node asks the proxy by itself, as older axios
// does, Node would ask the proxy for that.
func noProxy(v *variables, hosts []string, proxy string) string {
	var kept []string
	listed := strings.Split(v.get("no_proxy")+","+v.get("NO_PROXY")+",localhost,127.0.0.1,::1", ",")
	for _, text := range listed {
		for _, entry := range strings.Fields(text) { // some separate by spaces
			if !bypassesAny(entry, hosts) && !slices.Contains(kept, entry) {
				kept = append(kept, entry)
			}
		}
	}
	if !slices.Contains(kept, withoutPort(proxy)) {
		kept = append(kept, proxy)
	}
	return strings.Join(kept, ",")
}

func bypassesAny(entry string, hosts []string) bool {
	return slices.ContainsFunc(hosts, func(host string) bool { return bypasses(entry, host) })
}

// bypasses reports whether an entry of NO_PROXY can mean a host. Programs read an entry differently:
// "example.com" is that host alone, or all below it, too; here it is whatever any of them makes of it.
func bypasses(entry, host string) bool {
	if entry == "*" {
		return true
	}
	host = strings.ToLower(withoutPort(host))
	below, wild := strings.CutPrefix(host, "*.")
	if ip, err := netip.ParseAddr(host); err == nil {
		if block, err := netip.ParsePrefix(entry); err == nil {
			return block.Contains(ip)
		}
	}
	entry = strings.ToLower(withoutPort(entry))
	entry = strings.TrimPrefix(strings.TrimPrefix(entry, "*"), ".")
	switch {
	case entry == "":
		return false
	case wild && strings.HasSuffix(entry, "."+below): // one of the hosts below the star
		return true
	}
	return strings.HasSuffix(below, entry) // requests compares ends of names, without regard to dots
}

// withoutPort gives the host of "host:port", "host", "[::1]:443" and "::1", without a dot at its end.
func withoutPort(text string) string {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	return strings.TrimSuffix(strings.Trim(text, "[]"), ".")
}

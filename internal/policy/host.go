package policy

import (
	"net/netip"
	"strconv"
	"strings"
)

// httpsPort is the port of a host that is written without one.
const httpsPort = "443"

// host is the host of a request or of a rule, in the form in which they are compared: lower case, no dot
// at the end, addresses in their shortest form and without brackets.
type host struct {
	name, port string // port is "" where none was written
}

// readHost reads host, host:port or an address. It refuses names that cannot be one of DNS, and numbers
// that some programs read as an address.
func readHost(raw string) (host, bool) {
	name, port, ok := splitPort(raw)
	if !ok {
		return host{}, false
	}
	if strings.Contains(name, ":") {
		addr, err := netip.ParseAddr(name)
		return host{addr.Unmap().String(), port}, err == nil && addr.Zone() == ""
	}
	name = strings.TrimSuffix(lower(name), ".")
	return host{name, port}, domain(name)
}

// splitPort cuts the port off. A colon within brackets, or one of several, is of an address.
func splitPort(raw string) (name, port string, ok bool) {
	if inner, found := strings.CutPrefix(raw, "["); found {
		name, rest, closed := strings.Cut(inner, "]")
		if rest == "" {
			return name, "", closed && strings.Contains(name, ":")
		}
		return name, rest[1:], closed && rest[0] == ':' && goodPort(rest[1:]) && strings.Contains(name, ":")
	}
	name, port, found := strings.Cut(raw, ":")
	if !found || strings.Contains(port, ":") {
		return raw, "", true
	}
	return name, port, goodPort(port)
}

func goodPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && port[0] != '0' && port[0] != '+'
}

// lower is strings.ToLower for what may be in a host, without a copy where nothing changes.
func lower(name string) string {
	for i := range len(name) {
		if c := name[i]; c >= 'A' && c <= 'Z' {
			return strings.ToLower(name)
		}
	}
	return name
}

// domain reports a name of DNS in lower case, or an IPv4 address as it is usually written.
func domain(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	label := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.' && label == 0:
			return false
		case c == '.':
			label = 0
			continue
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if label == 0 || last[0] < '0' || last[0] > '9' {
		return label > 0
	}
	// A name that ends in a number is read as an address by many programs, in bases and lengths of their own.
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Is4()
}

// hostPattern is one entry of a rule's hosts.
type hostPattern struct {
	host
	below bool // all hosts below the name, not itself; "" stands for all there are
}

func (p *hostPattern) fits(h *host) bool {
	if p.port != "" && p.port != h.port && !(h.port == "" && p.port == httpsPort) {
		return false
	}
	switch {
	case !p.below:
		return h.name == p.name
	case p.name == "":
		return true
	}
	dot := len(h.name) - len(p.name) - 1
	return dot > 0 && h.name[dot] == '.' && h.name[dot+1:] == p.name
}

// readHostPattern reads one entry; the answer goes on after it, and says what it is not.
func readHostPattern(written string) (hostPattern, string) {
	rest, below := written, false
	if after, ok := strings.CutPrefix(written, "*."); ok {
		rest, below = after, true
	} else if port, ok := strings.CutPrefix(written, "*:"); ok {
		return hostPattern{host{"", port}, true}, faultOf(goodPort(port), "has no port behind the colon; allowed: 1 to 65535")
	} else if written == "*" {
		return hostPattern{below: true}, ""
	}
	h, ok := readHost(rest)
	switch {
	case strings.Contains(rest, "://"):
		return hostPattern{}, "is an address of a page; write the host alone, like api.example.com"
	case strings.Contains(rest, "/"):
		return hostPattern{}, "has a path; write the host alone, and the path in paths"
	case strings.Contains(rest, "*"):
		return hostPattern{}, "has a star where none can stand; allowed: *.example.com for all hosts below one, or * alone"
	case !ok:
		return hostPattern{}, "is not a host; write a name like api.example.com (xn-- for letters beyond ASCII), an address, or *.example.com, with a port if it is to be that one only"
	case below && isAddress(h.name):
		return hostPattern{}, "puts a star before an address; write the address alone"
	case h.name != strings.Trim(bare(rest), "[]"):
		return hostPattern{}, "is written in another form than it is compared in; write " + strconv.Quote(h.name)
	}
	return hostPattern{h, below}, ""
}

func faultOf(ok bool, fault string) string {
	if ok {
		return ""
	}
	return fault
}

func bare(written string) string {
	name, _, _ := splitPort(written)
	return name
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const (
	portHTTPS = 443
	portHTTP  = 80
	maxHost   = 253 // letters of a name: RFC 1035 section 2.3.4
	maxLabel  = 63
)

// target is where a request goes, in the one spelling that is compared: a name in lower case without a dot
// at its end, or an IP address, and a port.
type target struct {
	host string
	port uint16
}

func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// shown is the target to people: without the port that everybody expects.
func (t target) shown() string {
	if t.port != portHTTPS {
		return t.String()
	}
	if strings.Contains(t.host, ":") {
		return "[" + t.host + "]"
	}
	return t.host
}

// address is the target's IP address, if it is one.
func (t target) address() (netip.Addr, bool) {
	ip, err := netip.ParseAddr(t.host)
	return ip, err == nil
}

// parseTarget reads host:port of a CONNECT, a Host header or a route. Where there is no port, it is the one
// that is given, and 0 wants one.
func parseTarget(text string, port uint16) (target, error) {
	host, rest, err := splitPort(text)
	if err != nil {
		return target{}, err
	}
	if rest != "" {
		n, err := strconv.ParseUint(rest, 10, 16)
		if err != nil || n == 0 || rest[0] == '0' || rest[0] == '+' {
			return target{}, errors.New("the port is no number from 1 to 65535")
		}
		port = uint16(n)
	}
	if port == 0 {
		return target{}, errors.New("the port is missing: write host:port")
	}
	if host, err = plainHost(host); err != nil {
		return target{}, err
	}
	return target{host: host, port: port}, nil
}

// splitPort takes the brackets of an IPv6 address away, which has to have them.
func splitPort(text string) (host, port string, err error) {
	if inside, ok := strings.CutPrefix(text, "["); ok {
		host, rest, closed := strings.Cut(inside, "]")
		port, hasPort := strings.CutPrefix(rest, ":")
		switch ip, err := netip.ParseAddr(host); {
		case !closed || rest != "" && (!hasPort || port == ""):
			return "", "", errors.New("brackets stand around an IPv6 address, before the port")
		case err != nil || !ip.Is6() || ip.Zone() != "":
			return "", "", errors.New("there is no IPv6 address between the brackets, or one with a zone")
		}
		return host, port, nil
	}
	host, port, found := strings.Cut(text, ":")
	switch {
	case strings.Contains(port, ":"):
		return "", "", errors.New("an IPv6 address stands in brackets")
	case found && port == "":
		return "", "", errors.New("there is a colon and no port behind it")
	}
	return host, port, nil
}

// plainHost is the spelling that is compared. What some resolver could take for another host than we do is
// refused: numbers that are an address to inet_aton, letters beyond ASCII, empty labels.
func plainHost(host string) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return "", errors.New("an address with a zone is of this machine only")
		}
		return ip.Unmap().String(), nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || len(host) > maxHost {
		return "", errors.New("the host is empty or too long")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if err := checkLabel(label); err != nil {
			return "", err
		}
	}
	if last := labels[len(labels)-1]; isNumber(last) {
		return "", errors.New("the host ends with a number and is no IP address as it is written here")
	}
	return host, nil
}

func checkLabel(label string) error {
	if label == "" || len(label) > maxLabel {
		return errors.New("the host has a part that is empty or too long")
	}
	for i := range len(label) {
		c := label[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c >= 0x80:
			return errors.New("the host has letters beyond ASCII: write it in Punycode (xn--…)")
		default:
			return fmt.Errorf("the host has a letter that no name has: %q", string(c))
		}
	}
	return nil
}

// isNumber knows what inet_aton takes for part of an address: digits, and hexadecimal ones behind 0x.
func isNumber(label string) bool {
	digits, hex := strings.CutPrefix(label, "0x")
	if hex {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

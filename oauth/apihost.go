package oauth

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Host is one of [API.Hosts], read.
type Host struct {
	// Name is the host in lower case, or begins with "*." for all below it.
	Name string
	// Port is a number in decimal.
	Port string
	// Path is what a request's path has to begin with, in whole segments; "" for all.
	Path string
	// Plain: by http, on this machine.
	Plain bool
}

// ParseHost reads one of [API.Hosts].
func ParseHost(text string) (Host, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "https", text
	}
	u, err := url.Parse("https://" + rest)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(rest, "?#\\% ") || scheme != "https" && scheme != "http" {
		return Host{}, fmt.Errorf("%q is no host: write it like api.example.com, *.example.com or www.example.com/api", text)
	}
	h := Host{Name: strings.ToLower(u.Hostname()), Port: u.Port(), Path: strings.TrimRight(u.Path, "/"), Plain: scheme == "http"}
	if h.Port == "" {
		h.Port = map[bool]string{false: "443", true: "80"}[h.Plain]
	}
	if n, err := strconv.Atoi(h.Port); err != nil || n < 1 || n > 65535 {
		return Host{}, fmt.Errorf("%q has no port between 1 and 65535", text)
	}
	if h.Plain && !loopback(h.Name) {
		return Host{}, fmt.Errorf("%q: plain http is for this machine only, like http://127.0.0.1:9100", text)
	}
	return h, h.checkName(text)
}

// checkName permits names whose labels are all plain, and a star only as the whole first of three.
func (h Host) checkName(text string) error {
	if _, err := netip.ParseAddr(h.Name); err == nil {
		return nil
	}
	name, wild := strings.CutPrefix(h.Name, "*.")
	labels := strings.Split(name, ".")
	if wild && len(labels) < 2 {
		return fmt.Errorf("%q is too wide: name at least two labels behind the star", text)
	}
	if len(labels) < 2 && name != "localhost" {
		return fmt.Errorf("%q is no full host name", text)
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.ContainsFunc(l, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' }) {
			return fmt.Errorf("%q is no host name: letters, digits and hyphens only, a star only as the first label", text)
		}
	}
	return nil
}

// Serves reports whether a host name in lower case, without a dot at its end, is meant.
func (h Host) Serves(name string) bool {
	if suffix, wild := strings.CutPrefix(h.Name, "*"); wild {
		return len(name) > len(suffix) && strings.HasSuffix(name, suffix)
	}
	return name == h.Name
}

func loopback(name string) bool {
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.IsLoopback()
}

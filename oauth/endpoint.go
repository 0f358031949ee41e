package oauth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

const maxEndpoint = 1000 // bytes

// CheckEndpoint says what is wrong with a URL that secrets are sent to: it must be absolute, https
// (or http to this machine, or anywhere with allowHTTP), without user info and fragment, and with a
// query that can be read.
func CheckEndpoint(raw string, allowHTTP bool) error {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || len(raw) > maxEndpoint {
		return fmt.Errorf("%q is not an absolute URL of at most %d bytes, like https://login.example.com/oauth/token", address(raw), maxEndpoint)
	}
	query, err := url.ParseQuery(u.RawQuery)
	switch {
	case u.User != nil:
		return fmt.Errorf("the URL of %s must not contain user info", u.Host)
	case u.Fragment != "":
		return fmt.Errorf("the URL of %s must not contain a fragment", u.Host)
	case err != nil:
		return fmt.Errorf("the query in the URL of %s cannot be read: percent-encode it", u.Host)
	case query.Has("client_secret"):
		return errors.New("the URL contains a client_secret, which would end up in logs: move it to params")
	case u.Scheme == "https", u.Scheme == "http" && (allowHTTP || isLoopback(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("http to %s would send secrets in clear: use https (http is for this machine only, or with api.development: true)", u.Host)
	}
	return fmt.Errorf("the scheme %q is not supported: use https", u.Scheme)
}

// address is the part of a URL that can be shown: user info and query may hold secrets.
func address(raw string) string {
	raw, _, _ = strings.Cut(raw, "?")
	if _, host, found := strings.Cut(raw, "@"); found {
		raw = "…@" + host
	}
	return Clean(raw, 100)
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// originOf gives scheme, host and port of a URL, the port only if it is not the scheme's own, or ""
// if there is no origin.
func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Hostname() == "" {
		return ""
	}
	origin := strings.ToLower(u.Scheme + "://" + u.Host)
	switch u.Scheme {
	case "https":
		return strings.TrimSuffix(origin, ":443")
	case "http":
		return strings.TrimSuffix(origin, ":80")
	}
	return origin
}

package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

func (c *checker) api() {
	api := &c.cfg.API
	if strings.Contains(api.Host, "/") || strings.Contains(api.Host, ":") && net.ParseIP(api.Host) == nil {
		c.wrong(c.shownAs(api.Host, "api", "host")+" is not a host; write a name or an address alone, like 0.0.0.0, and the port in api.port", "api", "host")
	}
	for name, value := range map[string]time.Duration{
		"read_timeout": api.ReadTimeout, "write_timeout": api.WriteTimeout, "idle_timeout": api.IdleTimeout,
	} {
		if value < time.Second || value > time.Hour {
			c.wrong(c.shownAs(value.String(), "api", name)+" is out of range; allowed: 1s to 1h", "api", name)
		}
	}
	c.publicHost()
	if api.Development && !local(api.Host) {
		c.doubt("development relaxes checks, and the engine listens beyond this machine; set it to false where others can reach it", "api", "development")
	}
}

// publicHost brings api.public_host into the form scheme://host[:port][/prefix].
func (c *checker) publicHost() {
	api := &c.cfg.API
	raw := strings.TrimSpace(api.PublicHost)
	if raw == "" {
		return
	}
	if !strings.Contains(raw, "://") {
		scheme := "https://"
		if u, err := url.Parse("http://" + raw); err == nil && local(u.Hostname()) {
			scheme = "http://"
		}
		raw = scheme + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
		u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || !goodPort(u) {
		c.wrong(c.shownAs(api.PublicHost, "api", "public_host")+" is not an origin; write https://, the host and nothing else but a path prefix, like https://keys.example.com", "api", "public_host")
		return
	}
	if u.Scheme == "http" && !local(u.Hostname()) {
		c.doubt("codes and sessions travel in clear over http; use https for everything but this machine", "api", "public_host")
	}
	api.PublicHost = strings.TrimRight(u.Scheme+"://"+strings.ToLower(u.Host)+u.EscapedPath(), "/")
}

// PublicOrigin is where browsers reach the engine, without a slash at the end: PublicHost, or else
// http, Host and Port. listening is the port that the engine got when Port is 0.
func (a API) PublicOrigin(listening int) string {
	if a.PublicHost != "" {
		return a.PublicHost
	}
	host, port := a.Host, a.Port
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsUnspecified() {
		host = "localhost"
	}
	if port == 0 {
		port = listening
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port))
}

func (c *checker) auth() {
	auth := &c.cfg.Auth
	if v := auth.SessionVerification; v != nil {
		c.verification(*v)
	}
	for i, raw := range auth.NextURIOrigins {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
			u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || !goodPort(u) {
			at := []string{"auth", "next_uri_origins", strconv.Itoa(i)}
			c.wrong(c.shownAs(raw, at...)+" is not an origin; write scheme, host and, where it is not the usual one, port, like https://app.example.com", at...)
			continue
		}
		auth.NextURIOrigins[i] = u.Scheme + "://" + strings.ToLower(u.Host)
	}
	c.providers()
}

func (c *checker) verification(v SessionVerification) {
	at := []string{"auth", "session_verification", "verifier_url"}
	if v.VerifierURL != "" && v.UnsafeSkipVerification {
		c.wrong("verifier_url and unsafe_skip_verification exclude one another; keep one", at[:2]...)
	}
	if v.UnsafeSkipVerification && !c.cfg.API.Development {
		c.doubt("nobody checks that the person who consents is the user who was asked; set a verifier_url before others use this engine",
			"auth", "session_verification", "unsafe_skip_verification")
	}
	if v.VerifierURL == "" {
		return
	}
	u, err := url.Parse(v.VerifierURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Fragment != "":
		c.wrong(c.shownAs(v.VerifierURL, at...)+" is not an address of a web page; write an absolute https URL without user info and fragment", at...)
	case u.Scheme == "http" && !local(u.Hostname()) && !c.cfg.API.Development:
		c.wrong("http is for this machine only, or with api.development: true; use https", at...)
	}
}

func goodPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.Atoi(u.Port())
	return err == nil && port > 0 && port < 1<<16
}

// local reports whether a host is this machine.
func local(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func (c *checker) security() {
	keys := c.cfg.Security.RootKeys
	defaults := 0
	seen := map[string]int{}
	for i, k := range keys {
		at := []string{"security", "root_keys", strconv.Itoa(i)}
		if first, ok := seen[k.ID]; ok && k.ID != "" {
			c.wrong(fmt.Sprintf("%s is already the id of security.root_keys[%d]; use another", c.shownAs(k.ID, append(at, "id")...), first), append(at, "id")...)
		} else {
			seen[k.ID] = i
		}
		if k.Default {
			defaults++
		}
		if defaults > 1 && k.Default {
			c.wrong("another key is already the default; allowed: one", append(at, "default")...)
		}
		c.rootKey(&keys[i], at)
	}
	switch {
	case len(keys) == 1:
		keys[0].Default = true
	case len(keys) > 1 && defaults == 0 && !c.failedWithin([]string{"security", "root_keys"}):
		c.wrong("none of the keys is the default; write default: true at the one that seals from now on", "security", "root_keys")
	}
}

// developmentKey is the value that published example configurations have.
const developmentKey = "default-key-value"

func (c *checker) rootKey(k *RootKey, at []string) {
	given := 0
	for _, name := range []string{"value", "file", "command"} {
		if c.written(append(at[:3:3], name)...) {
			given++
		}
	}
	switch {
	case given > 1:
		c.wrong("value, file and command exclude one another; keep one", at...)
	case c.written(append(at[:3:3], "value")...):
		c.rootKeyValue(k, append(at[:3:3], "value"))
	case k.File != "":
		k.File = c.source.inDir(c.atHome(k.File))
	case len(k.Command) > 0 && k.Command[0] != "":
	case given == 1:
		c.wrong("this is empty; write where the key is", at...)
	case !c.failedWithin(at):
		c.wrong("the key is missing; write one of value, file and command", at...)
	}
}

func (c *checker) rootKeyValue(k *RootKey, at []string) {
	value := strings.TrimSpace(k.Value.Reveal())
	switch {
	case value == "":
		// The first half is what engines of this kind have always said; people search for it.
		id := k.ID
		if named, _, _ := c.where(append(at[:3:3], "id")); len(named.refs) > 0 {
			id = strings.Join(named.refs, "")
		}
		c.wrong("key value cannot be empty or whitespace (config section: security.root_keys[]): "+id, at...)
	case value == developmentKey && !c.cfg.API.Development:
		c.wrong("default-key-value is known to everybody; set a value of your own (openssl rand -base64 32), or api.development: true for a trial", at...)
	case value != developmentKey && len(value) < 16:
		c.doubt("this key is short; use 32 random bytes (openssl rand -base64 32)", at...)
	}
}

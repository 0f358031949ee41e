package proxy

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

// table is a snapshot of the routes. It is immutable.
type table struct {
	routes []*route
	// hosts finds what serves a host: by "host:port", or by "*.suffix:port" for all hosts below one.
	hosts map[string][]served
	// endpoints are the OAuth endpoints, by "host:port/path".
	endpoints map[string]bool
}

// route is a connection with what is remembered of its token.
type route struct {
	keybearer.Route
	// resolver sends requests for sites to the gateway; nil where there is none.
	resolver *atlassian.Resolver
	token    *cell
}

// served is one way in which a route serves a host.
type served struct {
	*route
	// prefix is where the API begins, without a slash at its end: "" for the whole host.
	prefix string
	// site: the host is a site, whose requests go to the gateway.
	site bool
}

// newTable makes a snapshot, taking over what the one before remembers of connections that have not changed.
func newTable(routes []keybearer.Route, before *table) *table {
	t := &table{hosts: map[string][]served{}, endpoints: map[string]bool{}}
	for _, r := range routes {
		t.add(&route{Route: r, token: before.cellOf(&r)})
	}
	slices.SortStableFunc(t.routes, func(a, b *route) int {
		return cmp.Or(cmp.Compare(a.Ref.Provider, b.Ref.Provider), cmp.Compare(a.Ref.Name, b.Ref.Name))
	})
	return t
}

func (t *table) cellOf(r *keybearer.Route) *cell {
	if t != nil {
		for _, old := range t.routes {
			if old.Connection == r.Connection && old.Version == r.Version && old.Ref == r.Ref {
				return old.token
			}
		}
	}
	return &cell{}
}

func (t *table) add(r *route) {
	t.routes = append(t.routes, r)
	for _, host := range r.API.Hosts {
		if key, prefix, ok := parseHost(host); ok {
			t.put(key, served{route: r, prefix: prefix})
		}
	}
	if r.Gateway != "" && r.Kind != keybearer.APIToken { // which the sites take themselves
		r.resolver = resolverOf(r)
		for _, site := range r.Sites {
			if key, _, ok := parseHost(site.URL); ok && site.URL != "" {
				t.put(key, served{route: r, site: true})
			}
		}
	}
	for _, endpoint := range r.Endpoints {
		if u, err := url.Parse(endpoint); err == nil {
			if key, _, ok := parseHost(endpoint); ok {
				t.endpoints[key+plainPath(u.EscapedPath())] = true
			}
		}
	}
}

// put adds a way, unless the route has the same already: a site wins over a host that is named otherwise.
func (t *table) put(key string, s served) {
	all := t.hosts[key]
	i := slices.IndexFunc(all, func(o served) bool { return o.route == s.route && (s.site || o.prefix == s.prefix) })
	switch {
	case i < 0:
		t.hosts[key] = append(all, s)
	case s.site:
		all[i] = s
	}
}

func resolverOf(r *route) *atlassian.Resolver {
	resolver := &atlassian.Resolver{Gateway: r.Gateway}
	for _, s := range r.Sites {
		resolver.Sites = append(resolver.Sites, atlassian.Site{ID: s.ID, Name: s.Name, URL: s.URL, Scopes: s.Scopes})
	}
	return resolver
}

// at lists what serves a target: those that name it, else those that name the nearest suffix.
func (t *table) at(to target) []served {
	port := ":" + strconv.Itoa(int(to.port))
	if found := t.hosts[to.String()]; len(found) > 0 {
		return found
	}
	if _, literal := to.address(); literal {
		return nil
	}
	for rest := to.host; ; {
		_, suffix, ok := strings.Cut(rest, ".")
		if !ok {
			return nil
		}
		if found := t.hosts["*."+suffix+port]; len(found) > 0 {
			return found
		}
		rest = suffix
	}
}

// parseHost reads an entry of a provider's hosts: [scheme://]host[:port][/path], where the host may begin
// with "*." before at least two labels. Entries that say anything else serve nothing.
func parseHost(entry string) (key, prefix string, ok bool) {
	scheme, rest, found := strings.Cut(entry, "://")
	if !found {
		scheme, rest = "https", entry
	}
	host, path, _ := strings.Cut(rest, "/")
	port := uint16(portHTTPS)
	if scheme == "http" {
		port = portHTTP
	}
	name, wild := strings.CutPrefix(host, "*.")
	to, err := parseTarget(name, port)
	if err != nil || scheme != "https" && scheme != "http" || scheme == "http" && !isLoopback(to) {
		return "", "", false
	}
	key = to.String()
	if wild {
		if _, literal := to.address(); literal || !strings.Contains(to.host, ".") {
			return "", "", false
		}
		key = "*." + key
	}
	prefix = strings.TrimRight(plainPath("/"+path), "/")
	return key, prefix, true
}

// isLoopback reports whether a target is this machine by its name.
func isLoopback(to target) bool {
	if ip, ok := to.address(); ok {
		return ip.IsLoopback()
	}
	return to.host == "localhost" || strings.HasSuffix(to.host, ".localhost")
}

// below reports whether a path, as plainPath has it, is at a prefix or below it.
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

package proxy

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/oauth"
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
	// replaces: nothing is added there to a request that carries no placeholder.
	replaces bool
	// plain: by http, on this machine, and not by https.
	plain bool
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

// cellOf is the cell of a connection that has not changed, or a new one with its past.
func (t *table) cellOf(r *keybearer.Route) *cell {
	if t != nil {
		for _, old := range t.routes {
			switch {
			case old.Connection != r.Connection || old.Ref != r.Ref:
			case old.Version == r.Version:
				return old.token
			default:
				return &cell{past: old.token.past}
			}
		}
	}
	return &cell{past: &past{}}
}

func (t *table) add(r *route) {
	t.routes = append(t.routes, r)
	for _, host := range r.API.Hosts {
		if key, h, ok := hostOf(host); ok {
			t.put(key, served{route: r, prefix: h.Path, plain: h.Plain})
		}
	}
	for _, host := range r.API.Replace {
		if key, h, ok := hostOf(host); ok {
			t.put(key, served{route: r, prefix: h.Path, plain: h.Plain, replaces: true})
		}
	}
	if r.Gateway != "" && r.Kind != keybearer.APIToken { // which the sites take themselves
		r.resolver = resolverOf(r)
		for _, site := range r.Sites {
			if key, h, ok := hostOf(site.URL); ok && !h.Plain {
				t.put(key, served{route: r, site: true})
			}
		}
	}
	for _, endpoint := range r.Endpoints {
		if key, h, ok := hostOf(endpoint); ok {
			t.endpoints[key+h.Path] = true
		}
	}
}

// put adds a way, unless the route has the same already: a site wins over a host that is named otherwise.
func (t *table) put(key string, s served) {
	all := t.hosts[key]
	i := slices.IndexFunc(all, func(o served) bool {
		return o.route == s.route && o.plain == s.plain && (s.site || o.prefix == s.prefix)
	})
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

// connection is the id of a connection, or "".
func (t *table) connection(ref keybearer.Ref) keybearer.ConnectionID {
	for _, r := range t.routes {
		if r.Ref == ref {
			return r.Connection
		}
	}
	return ""
}

// at lists what serves a target by https: those that name it, else those that name the nearest suffix.
func (t *table) at(to target) []served { return t.by(to, false) }

func (t *table) by(to target, plain bool) []served {
	found := t.named(to)
	if slices.ContainsFunc(found, func(s served) bool { return s.plain != plain }) {
		return slices.DeleteFunc(slices.Clone(found), func(s served) bool { return s.plain != plain })
	}
	return found
}

func (t *table) named(to target) []served {
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

// hostOf reads an entry of a provider's hosts, or a URL. Entries that say nothing serve nothing.
func hostOf(entry string) (key string, h oauth.Host, ok bool) {
	h, err := oauth.ParseHost(entry)
	if err != nil {
		return "", h, false
	}
	name, wild := strings.CutPrefix(h.Name, "*.")
	to, err := parseTarget(net.JoinHostPort(name, h.Port), 0)
	if err != nil {
		return "", h, false
	}
	if key = to.String(); wild {
		key = "*." + key
	}
	return key, h, true
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

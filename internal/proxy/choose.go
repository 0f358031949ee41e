package proxy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/keybearer/keybearer"
)

// route finds the connection whose credential is meant. None is where the request is passed on as it is.
func (x *exchange) route() *refusal {
	if x.scheme == "http" {
		return x.routePlain()
	}
	t := x.p.table.Load()
	if t.endpoints[x.to.String()+strings.TrimRight(x.path, "/")] {
		return x.elsewhere("an OAuth endpoint of the provider, which gets no connection's credential")
	}
	serving := x.p.serving(x.r.Context(), x.agent, x.to, false)
	if len(serving) == 0 && x.absolute {
		return x.elsewhere("a host that no connection serves")
	}
	if len(serving) == 0 {
		return refuse(http.StatusForbidden, CodeNoConnection, keybearer.NotFound, "no connection of %s serves %s any more", x.agent.name, x.to.shown()).
			do("run: keybearer login")
	}
	candidates := nearest(serving, x.path)
	if len(candidates) == 0 {
		return x.elsewhere("a path that no connection serves")
	}
	return x.choose(candidates)
}

// routePlain finds the connection for a port of this machine that a route names, as those of a sandbox.
func (x *exchange) routePlain() *refusal {
	if isLoopback(x.to) {
		if candidates := nearest(x.p.serving(x.r.Context(), x.agent, x.to, true), x.path); len(candidates) > 0 {
			return x.choose(candidates)
		}
	}
	return x.elsewhere("a host over plain HTTP")
}

// elsewhere is for requests that get no credential. They must not have a placeholder.
func (x *exchange) elsewhere(what string) *refusal {
	if x.found.text == "" {
		return nil
	}
	secure := target{host: x.to.host, port: portHTTPS}
	if x.scheme == "http" && slices.ContainsFunc(x.p.table.Load().at(secure), func(s served) bool { return s.Ref == x.found.ref }) {
		return refuse(http.StatusForbidden, CodePlainHTTP, keybearer.PermissionDenied, "the credential of %s does not go out over plain HTTP", named(x.found.ref)).
			do("use https://%s", x.to.host)
	}
	return refuse(http.StatusForbidden, CodeElsewhere, keybearer.PermissionDenied, "the placeholder of %s was on its way to %s: %s", named(x.found.ref), x.to.shown(), what)
}

// nearest are those whose part of the host a path is in, and where they differ the narrowest.
func nearest(all []served, path string) []served {
	longest, found := -1, []served(nil)
	for _, s := range all {
		switch {
		case !below(path, s.prefix) || len(s.prefix) < longest:
		case len(s.prefix) > longest:
			longest, found = len(s.prefix), []served{s}
		default:
			found = append(found, s)
		}
	}
	return found
}

// choose takes the connection that the placeholder stands for, else the only one, else the default one.
func (x *exchange) choose(candidates []served) *refusal {
	if x.found.text != "" {
		i := slices.IndexFunc(candidates, func(s served) bool { return s.Ref == x.found.ref })
		if i < 0 {
			return x.elsewhere("its connection does not serve that host")
		}
		x.via = candidates[i]
		return nil
	}
	candidates = slices.DeleteFunc(slices.Clone(candidates), func(s served) bool { return s.replaces })
	if len(candidates) == 0 {
		return nil // the program asks without a credential, and is let
	}
	if len(candidates) > 1 {
		names := namesOf(candidates)
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(s served) bool { return !s.Default })
		if len(candidates) != 1 {
			return refuse(http.StatusForbidden, CodeChoose, keybearer.PermissionDenied, "several connections serve %s, and the request does not say which is meant: %s", x.to.shown(), names).
				do("send the placeholder of one of them, or make one the default: keybearer set-default")
		}
	}
	x.via = candidates[0]
	return nil
}

// named is a connection in a sentence for an agent, which knows of one user only.
func named(ref keybearer.Ref) string {
	if ref.Name == "" {
		return string(ref.Provider)
	}
	return string(ref.Provider) + " (" + ref.Name + ")"
}

func namesOf(all []served) string {
	var names []string
	for _, s := range all {
		name := named(s.Ref)
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

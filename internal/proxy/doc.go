// Package proxy is the forward proxy through which agents reach APIs without holding a credential: it
// knows the agent by a secret of its own, intercepts the TLS of those hosts that a connection serves, puts
// the connection's credential on each request, and streams both ways. Everything else is tunnelled
// untouched, or refused by policy.
//
// It owns what happens to a request. Tokens come from a [Source], certificates from package ca, permission
// from a [Policy]; who starts agents, and what else they are told, is the business of others. Routes are a
// snapshot in memory: no request asks a database.
//
// What it promises: a credential goes out over verified TLS only, to a host and port that its connection
// serves, the one that the client named; without a fresh credential nothing goes out. A placeholder on its
// way elsewhere is refused and recorded, where the proxy can see it: in requests to hosts that some
// connection of the agent serves, and in what it is asked for without a tunnel. What it cannot see is the
// inside of a tunnel to a host that no connection serves. A placeholder that leaves there is a random text of
// no use. Bodies are never looked at. An API that repeats its request in its answer shows the agent the
// credential.
package proxy

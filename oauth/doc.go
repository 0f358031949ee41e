// Package oauth speaks the OAuth 2.0 wire protocol (RFC 6749) with one provider.
//
// It owns the [Definition] of a provider (endpoints, requests, response maps: the appliance's
// manual), the building of authorization URLs, the token, refresh, user info, introspection and
// revocation requests, and the tolerant but bounded reading of their answers. A [Client] is one
// registered client at one provider.
//
// It knows nothing of users, stores, sealing or HTTP servers: the root package has those. It does
// not use golang.org/x/oauth2 on the wire, which cannot send templated or JSON requests, sends
// one-time codes twice when it guesses the client authentication, and loses expiries that are not
// spelled its way (docs/decisions has the reasons).
package oauth

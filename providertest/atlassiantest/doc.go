// Package atlassiantest plays Atlassian for OAuth clients. [Server] is Cloud:
// the consent pages, the token endpoint with its rotating refresh tokens and
// its leeway, accessible-resources, /me, and a slice of the product APIs behind
// the gateway and at the sites. [DataCenter] is one Jira, Confluence or
// Bitbucket Data Center with its OAuth 2.0 provider, personal access tokens,
// and a slice of its API. [BitbucketCloud] is the third system, with little in
// common with the first.
//
// It follows what Atlassian documents and what its users have measured, the
// unfriendly parts included: most mistakes in Cloud's authorization request end
// on a page and never come back to the client, a wrong secret has the same
// error code as a declined consent, one site is listed once per product, and
// Data Center takes a token that it does not accept for no token at all. Where
// the real service is not known to do one thing, or does it on some days only,
// there is a [Switch], set by a field of the configuration, by Set,
// or by the control API.
//
// All are an http.Handler and embed [providertest.Bench]: faults, clock,
// history and the person's decision work as described there. The manual is
// docs/sandbox.md.
package atlassiantest

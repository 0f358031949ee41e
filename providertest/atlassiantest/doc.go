// Package atlassiantest plays Atlassian Cloud for OAuth clients: the consent
// pages, the token endpoint with its rotating refresh tokens and its leeway,
// accessible-resources, /me, and enough of the Jira gateway to show that a
// token works.
//
// It follows what Atlassian documents and what its users have measured, the
// unfriendly parts included: most mistakes in the authorization request end on
// a page and never come back to the client, a wrong secret has the same error
// code as a declined consent, and one site is listed once per product. Where
// the real service is not known to do one thing, there is a switch in [Config].
//
// [New] returns a [Server], which is an http.Handler and embeds
// [providertest.Bench]: faults, clock, history and the person's decision work
// as described there. The package leaves Data Center and the product APIs to
// a later version. The manual is docs/sandbox.md.
package atlassiantest

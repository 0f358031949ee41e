// Package keybearer holds the keys that people lend to their agents: it gets a person's consent at an
// OAuth 2.0 server once, keeps the grant sealed and fresh, and hands out exactly the access that is
// needed.
//
// A [Broker] brings it together. Its customers ask through a [View], made by [Broker.As] for a
// [Caller]; permission and audit happen there and nowhere else. Browsers walk through a [Visitor].
//
// The story of one authorization: [View.Authorize] finds a connection that covers the scopes and
// answers with a token, or creates a [Flow] and answers with a URL. The browser opens it
// ([Visitor.Start], [Visitor.Begin]), consents at the provider and comes back ([Visitor.Complete]):
// the code is redeemed at once, the grant sealed, and held until a verifier says who sat at the
// browser ([View.Confirm]). Then the [Connection] is stored, whoever waits in [View.Wait] wakes, and
// from then on [View.Token] gives a token that is never stale: one refresh per expiry, however many
// ask, stored before it is used.
//
// Errors are of type *[Error] and carry a [Kind]: errors.Is(err, keybearer.NotFound).
//
// Package oauth has the wire protocol, package seal the sealing. This package keeps no secret
// unsealed in a store, and hands out no refresh token: the type [Token] has no field for one.
package keybearer

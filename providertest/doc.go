// Package providertest is a small real OAuth 2.0 authorization server for
// tests, hostile on purpose.
//
// By itself it is strict: redirect URIs match exactly, codes are used once and
// are bound to client, redirect URI and S256 challenge, refresh tokens rotate
// and a reused one kills its whole family, no parameter may come twice. On top
// of that it misbehaves on demand: [FaultKinds] is a table of named faults,
// quirks of real servers and attacks, that can be switched on per endpoint and for
// a number of requests ([Bench.Inject], or the control API). And it remembers:
// [Bench.History] holds every request, with secrets hashed, so that a test can
// judge a client by what it did and not by what it says.
//
// It speaks real HTTP or TLS ([Start], [StartTLS]) and has a clock that a test
// can move. It leaves to package atlassiantest what Atlassian Cloud does
// differently, and to the test what is expected. The manual is
// docs/sandbox.md.
package providertest

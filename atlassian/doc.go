// Package atlassian knows what is particular about Atlassian: which sites a token reaches ([ReadSites],
// [Select], [Compare]), where the gateway is that takes it ([Resolver], [Transport]), which scopes to
// ask for ([ClassicScopes], [CheckScopes], [Operation]), what an answer means ([Explain]), and what is said of
// rates ([ReadRateLimit]).
//
// It asks nobody by itself and stores nothing: tokens come from the root package, which authorizes and
// refreshes them, and the wire protocol is package oauth's. All functions are safe for concurrent use.
package atlassian

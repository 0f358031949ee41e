// Package api is the JSON of the engine's HTTP API: one type for every request and answer, with the
// names and the optional fields that the published Arcade clients know, and a few of our own.
//
// It owns shapes only. Which route takes which is the table in internal/httpapi, what the words mean
// is the root package's business, and [docs/api.md] is the reference for people. Fields that say
// "(Ours.)" are not part of the published clients' contract; those clients ignore them.
//
// In requests null means the same as a field that is absent, and unknown fields are ignored. Tokens,
// keys and passwords are plain strings here, since this is the form in which they cross the wire:
// turn them into secret.String on arrival, and do not print these structs.
//
// [docs/api.md]: https://github.com/keybearer/keybearer/blob/main/docs/api.md
package api

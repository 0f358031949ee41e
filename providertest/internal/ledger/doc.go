// Package ledger owns the three books that an authorization server keeps:
// codes (single use, short lived, bound), access tokens, and refresh token
// families (rotation, reuse detection, leeway, expiry). It leaves to its
// callers who may ask for an entry and how a refusal is worded on the wire.
//
// Nothing here is safe for concurrent use: a server holds one lock around all
// of its books, so that one request sees and changes them together. Every book
// has a bound; when it is full the oldest entry is forgotten.
package ledger

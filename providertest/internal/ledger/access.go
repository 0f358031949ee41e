package ledger

import "time"

// Access is an access token's entry.
type Access struct {
	Client, User string
	Family       string // empty when the token came without a refresh token
	Scopes       []string
	Issued       time.Time
	Expires      time.Time
}

// Tokens is the book of access tokens.
type Tokens struct{ book *Book[Access] }

// NewTokens returns an empty book of access tokens.
func NewTokens() *Tokens { return &Tokens{NewBook[Access](100_000)} }

// Issue enters a under value.
func (t *Tokens) Issue(value string, a Access) { t.book.Put(value, a) }

// Get returns the entry of a token that is known, expired or not.
func (t *Tokens) Get(value string) (Access, bool) { return t.book.Get(value) }

// Valid returns the entry of a token that is known and not expired.
func (t *Tokens) Valid(value string, now time.Time) (Access, bool) {
	a, ok := t.book.Get(value)
	return a, ok && now.Before(a.Expires)
}

// Kill forgets every token that match accepts and says how many those were.
func (t *Tokens) Kill(match func(Access) bool) int {
	killed := 0
	t.book.Each(func(value string, a Access) {
		if match(a) {
			t.book.Take(value)
			killed++
		}
	})
	return killed
}

// Forget removes one token.
func (t *Tokens) Forget(value string) { t.book.Take(value) }

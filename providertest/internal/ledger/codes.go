package ledger

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"time"
)

// Code is an authorization code's entry: what it is bound to.
type Code struct {
	Client    string
	User      string
	Redirect  string
	Challenge string // empty when none was sent
	Plain     bool   // the challenge is the verifier itself, not its S256 hash
	Scopes    []string
	Nonce     string
	Family    string // the refresh family that was born of it, once redeemed
	Expires   time.Time
	spent     bool
}

// CodeFault says why a code was not redeemed.
type CodeFault string

const (
	CodeUnknown  CodeFault = "code_unknown"
	CodeSpent    CodeFault = "code_spent"
	CodeExpired  CodeFault = "code_expired"
	CodeClient   CodeFault = "code_of_another_client"
	CodeRedirect CodeFault = "code_for_another_redirect"
	CodeVerifier CodeFault = "code_verifier_mismatch"
)

// Codes is the book of authorization codes. A redeemed code stays in it, so
// that a second try is known for what it is.
type Codes struct{ book *Book[*Code] }

// NewCodes returns an empty book of codes.
func NewCodes() *Codes { return &Codes{NewBook[*Code](20_000)} }

// Issue enters c under value.
func (c *Codes) Issue(value string, code Code) { c.book.Put(value, &code) }

// Attempt is what a client says about the code that it redeems.
type Attempt struct {
	Client, Redirect, Verifier string
	AnyVerifier                bool // do not look at the verifier at all
}

// Redeem spends the code under value. A wrong redirect or verifier spends it
// as well: a code gets one try (RFC 6749 section 10.5). Another client's try
// is refused without spending, or anyone could void a stranger's code. On
// CodeSpent the entry is returned too, so that what came of it can be revoked
// (section 4.1.2).
func (c *Codes) Redeem(value string, try Attempt, now time.Time) (*Code, CodeFault) {
	code, ok := c.book.Get(value)
	switch {
	case !ok:
		return nil, CodeUnknown
	case code.Client != try.Client:
		return nil, CodeClient
	case code.spent:
		return code, CodeSpent
	}
	code.spent = true
	switch {
	case !now.Before(code.Expires):
		return nil, CodeExpired
	case code.Redirect != try.Redirect:
		return nil, CodeRedirect
	case !try.AnyVerifier && !verifies(code.Challenge, code.Plain, try.Verifier):
		return nil, CodeVerifier
	}
	return code, ""
}

// verifies checks RFC 7636 section 4.6. A verifier without a challenge is
// refused as well, since it may mean that somebody stripped the challenge
// (RFC 9700 section 2.1.1).
func verifies(challenge string, plain bool, verifier string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	if !wellFormedVerifier(verifier) {
		return false
	}
	if plain {
		return subtle.ConstantTimeCompare([]byte(verifier), []byte(challenge)) == 1
	}
	sum := sha256.Sum256([]byte(verifier))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(want), []byte(challenge)) == 1
}

// wellFormedVerifier checks length and alphabet (RFC 7636 section 4.1).
func wellFormedVerifier(v string) bool {
	if len(v) < 43 || len(v) > 128 {
		return false
	}
	for _, c := range []byte(v) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

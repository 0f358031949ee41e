package atlassian

import (
	"fmt"
	"strings"

	"github.com/keybearer/keybearer"
)

// Class says what kind of failure an answer is, and so who can do something about it. The first five have
// the names that [oauth.Class] gives them.
type Class string

// The classes.
const (
	ClassReconsent  Class = "reconsent"  // the token is not accepted, and the user has to consent again
	ClassConfig     Class = "config"     // the operator has to repair an address or a setting
	ClassScope      Class = "scope"      // the token lacks a scope: add it, then consent again; never refresh
	ClassTransient  Class = "transient"  // the same request may succeed later
	ClassUser       Class = "user"       // the user has to do something at Atlassian
	ClassSite       Class = "site"       // another site is meant, or the app may not be used there
	ClassPermission Class = "permission" // the user may not do this; the authorization is in order
	ClassRequest    Class = "request"    // the request is wrong, or what it names is not there
)

// Kind is the class as the root package has it, and so with a status and an exit code.
func (c Class) Kind() keybearer.Kind {
	switch c {
	case ClassReconsent, ClassScope:
		return keybearer.Reauthorize
	case ClassConfig:
		return keybearer.ProviderRefused
	case ClassTransient:
		return keybearer.ProviderAway
	case ClassUser:
		return keybearer.AuthorizationFailed
	case ClassSite:
		return keybearer.NotFound
	case ClassPermission:
		return keybearer.PermissionDenied
	case ClassRequest:
		return keybearer.BadRequest
	}
	return keybearer.Internal
}

// Failure is what an answer of an API means that is no plain success; [Explain] makes them. Its text is for
// people, on one line, and holds no token.
type Failure struct {
	Class  Class
	Status int
	// Method and Path are those of the request that was made first, without the query: redirects that were
	// followed do not count. Path is escaped and fit to be shown.
	Method, Path string
	// Advice says what happened and what to do next, in sentences without the last full stop.
	Advice string
	// Renew reports that a renewed token may do, once; if the answer is the same again, Class holds. It is
	// false where a refresh only burns a refresh token: for a scope that is missing, above all.
	Renew bool
	// Needs is what the token's scopes lack ([Operation.Needs]), where Class is [ClassScope] and the
	// operation is known.
	Needs string
	// Said is the first sentence of the product's own, fit to be shown, or "".
	Said string
	// RateLimit is what the answer says of rates.
	RateLimit RateLimit
}

// Error is one line: the request, the status, and the advice.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s answered %d", f.Method, f.Path, f.Status)
	if f.Said != "" {
		fmt.Fprintf(&b, " (%s)", f.Said)
	}
	if f.Advice != "" {
		fmt.Fprintf(&b, ". %s", f.Advice)
	}
	return b.String()
}

// Unwrap makes errors.Is(err, kind) work: RateLimited where a rate is the reason, else the kind of the class.
func (f *Failure) Unwrap() error {
	if f.RateLimit.Limited {
		return keybearer.RateLimited
	}
	return f.Class.Kind()
}

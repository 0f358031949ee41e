package keybearer

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind says what went wrong. It is a code on the wire, a sentinel for [errors.Is] and a JSON value
// at once: errors.Is(err, keybearer.NotFound) holds in the engine, in a client of it and in the CLI.
type Kind string

// Error makes a Kind a sentinel.
func (k Kind) Error() string { return string(k) }

// The kinds. The comment says what the caller may do.
const (
	BadRequest          Kind = "bad_request"           // repair the request
	Unauthenticated     Kind = "invalid_authorization" // send a valid API key
	PermissionDenied    Kind = "permission_denied"     // use a key that may do this
	NotFound            Kind = "not_found"             // check the id
	Conflict            Kind = "conflict"              // read again, then decide
	TooLarge            Kind = "too_large"             // send less
	UnsupportedMedia    Kind = "unsupported_media_type"
	RateLimited         Kind = "rate_limited"         // wait
	ProviderNotFound    Kind = "provider_not_found"   // configure the provider
	AmbiguousProvider   Kind = "ambiguous_provider"   // name the provider by its id
	ProviderInactive    Kind = "provider_inactive"    // activate the provider
	AuthorizationFailed Kind = "authorization_failed" // start a new authorization
	AuthorizationEnded  Kind = "authorization_expired"
	UserMismatch        Kind = "user_mismatch"        // sign in as the user who started it
	Reauthorize         Kind = "reauthorize"          // the user has to consent again
	ProviderRefused     Kind = "provider_error"       // the operator has to look at the provider's settings
	ProviderAway        Kind = "provider_unavailable" // try again later
	Unavailable         Kind = "unavailable"          // storage is away or full: try again later
	NotImplemented      Kind = "not_implemented"
	Internal            Kind = "internal_error"
)

// kinds is the one table that maps a Kind to an HTTP status, to the CLI's exit code, and to whether
// the same request may succeed later.
var kinds = map[Kind]struct {
	status, exit int
	retry        bool
}{
	BadRequest:          {http.StatusBadRequest, 2, false},
	Unauthenticated:     {http.StatusUnauthorized, 4, false},
	PermissionDenied:    {http.StatusForbidden, 4, false},
	NotFound:            {http.StatusNotFound, 3, false},
	Conflict:            {http.StatusConflict, 5, false},
	TooLarge:            {http.StatusRequestEntityTooLarge, 2, false},
	UnsupportedMedia:    {http.StatusUnsupportedMediaType, 2, false},
	RateLimited:         {http.StatusTooManyRequests, 7, true},
	ProviderNotFound:    {http.StatusBadRequest, 3, false},
	AmbiguousProvider:   {http.StatusBadRequest, 2, false},
	ProviderInactive:    {http.StatusBadRequest, 3, false},
	AuthorizationFailed: {http.StatusBadRequest, 6, false},
	AuthorizationEnded:  {http.StatusBadRequest, 6, false},
	UserMismatch:        {http.StatusBadRequest, 6, false},
	Reauthorize:         {http.StatusConflict, 6, false},
	ProviderRefused:     {http.StatusBadGateway, 8, false},
	ProviderAway:        {http.StatusServiceUnavailable, 7, true},
	Unavailable:         {http.StatusServiceUnavailable, 7, true},
	NotImplemented:      {http.StatusNotImplemented, 2, false},
	Internal:            {http.StatusInternalServerError, 1, true},
}

// HTTPStatus is the status of an answer of this kind.
func (k Kind) HTTPStatus() int { return kinds[k.known()].status }

// ExitCode is the exit code of a command that ends with this kind.
func (k Kind) ExitCode() int { return kinds[k.known()].exit }

// Retryable reports whether the same request may succeed later without anybody doing anything.
func (k Kind) Retryable() bool { return kinds[k.known()].retry }

func (k Kind) known() Kind {
	if _, ok := kinds[k]; !ok {
		return Internal
	}
	return k
}

// Error is an error with a Kind. It unwraps to its kind and to its cause.
type Error struct {
	Kind Kind
	// Op is what was being done, lower case: "authorizing alice at hooli". May be empty.
	Op string
	// Err is the cause or the explanation. For kinds other than Internal its text is meant for people.
	Err error
	// RetryAfter is when to try again, or 0.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil && e.Op == "":
		return string(e.Kind)
	case e.Err == nil:
		return e.Op + ": " + string(e.Kind)
	case e.Op == "":
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap makes both errors.Is(err, kind) and errors.As(err, &cause) work.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Errorf makes an Error of a kind; format may wrap a cause with %w.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// KindOf finds the Kind of an error: the outermost one in its chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind.known()
	}
	if k, ok := errors.AsType[Kind](err); ok {
		return k.known()
	}
	return Internal
}

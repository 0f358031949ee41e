package oauth

import (
	"fmt"
	"strings"
	"time"
)

// Class says what kind of failure an [Error] is, and so who can do something about it.
type Class string

// The classes.
const (
	// Reconsent: the grant or code is dead; the user has to consent again.
	Reconsent Class = "reconsent"
	// Misconfigured: the operator has to repair the registration or the definition; the grant stays.
	Misconfigured Class = "config"
	// ScopeMissing: the grant does not reach far enough; refreshing does not help.
	ScopeMissing Class = "scope"
	// Transient: it may work later; the grant stays.
	Transient Class = "transient"
	// UserChoice: the user declined.
	UserChoice Class = "user"
)

// The places where a provider fails, as an [ErrorRule] names them.
const (
	AtCallback      = "callback"
	AtToken         = "token"
	AtRefresh       = "refresh"
	AtUserInfo      = "user_info"
	AtSites         = "sites"
	AtIntrospection = "introspection"
	AtRevocation    = "revocation"
	// AtDevice is where a device code is asked for, AtDeviceToken where it is polled with (RFC 8628).
	AtDevice      = "device"
	AtDeviceToken = "device_token"
	// AtClientCredentials is where a service account asks for its token.
	AtClientCredentials = "client_credentials"
)

// Error is a provider's refusal, or its failure to answer. Its text holds what the provider said
// (code and description, cleaned and cut, with the request's secrets taken out) and what to do
// next; it never holds a token, code or secret.
type Error struct {
	// At is the place: one of the At constants.
	At    string
	Class Class
	// Status is the HTTP status, or 0 when there was no answer.
	Status int
	// Code and Description are the provider's own words (RFC 6749 sections 4.1.2.1 and 5.2).
	Code, Description string
	// Advice tells a person what to do next.
	Advice string
	// RetryAfter is the provider's wish, or 0.
	RetryAfter time.Duration
	// Uncertain: the request may have been carried out although no usable answer arrived. A one-time
	// code or a rotating refresh token may be spent.
	Uncertain bool
	// Err is the cause inside this process, if any.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(doing(e.At))
	if e.Status != 0 {
		fmt.Fprintf(&b, ": the provider answered %d", e.Status)
	} else if e.Code != "" {
		b.WriteString(": the provider answered")
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " %s", e.Code)
	}
	if e.Description != "" {
		fmt.Fprintf(&b, " (%s)", e.Description)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Advice != "" {
		fmt.Fprintf(&b, ". %s", e.Advice)
	}
	return b.String()
}

// Unwrap gives the cause inside this process.
func (e *Error) Unwrap() error { return e.Err }

func doing(place string) string {
	switch place {
	case AtCallback:
		return "authorizing"
	case AtToken:
		return "exchanging the code"
	case AtRefresh:
		return "refreshing the token"
	case AtUserInfo:
		return "asking for user info"
	case AtSites:
		return "asking for the sites"
	case AtIntrospection:
		return "introspecting the token"
	case AtRevocation:
		return "revoking the token"
	case AtDevice:
		return "asking for a device code"
	case AtDeviceToken:
		return "asking with the device code"
	case AtClientCredentials:
		return "asking for the service account's token"
	}
	return "talking to the provider"
}

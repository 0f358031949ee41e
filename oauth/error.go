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
	AtIntrospection = "introspection"
	AtRevocation    = "revocation"
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
	b.WriteString(placeNames[e.At])
	if e.Status != 0 {
		fmt.Fprintf(&b, ": the provider answered %d", e.Status)
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

var placeNames = map[string]string{
	AtCallback:      "authorizing",
	AtToken:         "exchanging the code",
	AtRefresh:       "refreshing the token",
	AtUserInfo:      "asking for user info",
	AtIntrospection: "introspecting the token",
	AtRevocation:    "revoking the token",
}

// deadGrantCodes end a grant when they answer a refresh, as seen at real providers.
var deadGrantCodes = map[string]bool{
	"invalid_grant":         true,
	"invalid_refresh_token": true,
	"bad_refresh_token":     true, // GitHub
	"token_revoked":         true, // Slack
	"token_expired":         true,
	"expired_token":         true,
}

// classify finds the class and advice of a refusal. Rules of the definition come first.
func (d *Definition) classify(e *Error, emptyBody bool) {
	for _, rule := range d.Errors {
		if rule.fits(e) {
			e.Class, e.Advice = rule.Class, rule.Advice
			return
		}
	}
	e.Class = generalClass(e, emptyBody)
	if e.Advice == "" {
		e.Advice = generalAdvice(e)
	}
}

func (r ErrorRule) fits(e *Error) bool {
	return (r.On == "" || r.On == e.At) &&
		(r.Status == 0 || r.Status == e.Status) &&
		(r.Code == "" || r.Code == e.Code) &&
		(r.Description == "" || strings.Contains(strings.ToLower(e.Description), strings.ToLower(r.Description)))
}

func generalClass(e *Error, emptyBody bool) Class {
	about := strings.ToLower(e.Description)
	switch {
	case e.Status == 0 && e.At != AtCallback, e.Status == 408, e.Status == 429, e.Status >= 500:
		return Transient
	case e.At == AtCallback && e.Code == "access_denied":
		return UserChoice
	case e.Code == "temporarily_unavailable", e.Code == "server_error":
		return Transient
	case e.At == AtToken && e.Code == "invalid_grant":
		return Reconsent
	case e.At != AtRefresh:
		return Misconfigured
	case deadGrantCodes[e.Code]:
		return Reconsent
	// Atlassian: unauthorized_client, "refresh_token is invalid". Dex: invalid_request, "... claimed by
	// another client". Bitbucket: invalid_request, "Invalid refresh_token".
	case (e.Code == "unauthorized_client" || e.Code == "invalid_request") &&
		(strings.Contains(about, "refresh token") || strings.Contains(about, "refresh_token") || strings.Contains(about, "claimed")):
		return Reconsent
	case e.Status == 400 && e.Code == "" && emptyBody: // Glewlwyd
		return Reconsent
	}
	return Misconfigured
}

func generalAdvice(e *Error) string {
	switch e.Class {
	case Reconsent:
		if e.At == AtToken {
			return "The code was used, too old, or issued for another redirect URI: start the authorization again"
		}
		return "The grant has ended at the provider: authorize again"
	case Transient:
		return "The stored grant is kept: try again later"
	case UserChoice:
		return "Access was declined: start again and accept if that was a mistake"
	}
	switch e.Code {
	case "invalid_client", "unauthorized_client", "access_denied":
		return "Check client_id, client_secret and auth_method of this provider"
	case "invalid_scope":
		return "Check the scopes asked for against those that the client may ask for"
	case "redirect_uri_mismatch":
		return "Register the redirect URI of this provider there, to the letter"
	case "multiple_client_credentials":
		return "The server refuses credentials sent twice: set send_credentials_twice to false"
	}
	return "Check this provider's endpoints and requests"
}

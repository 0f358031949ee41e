package oauth

import (
	"slices"
	"strings"
)

// ErrorRule recognises one failure in the provider's own dialect. All conditions that are set must
// hold; the first rule that fits decides.
type ErrorRule struct {
	// On is where it happens: callback, token (code exchange), refresh, user_info, sites, device (asking for a
	// device code), device_token (polling with it). Empty: anywhere.
	On string `yaml:"on,omitempty" json:"on,omitempty" jsonschema:"enum=callback,enum=token,enum=refresh,enum=user_info,enum=sites,enum=device,enum=device_token"`
	// Status is the HTTP status of the answer.
	Status int `yaml:"status,omitempty" json:"status,omitempty"`
	// Code is the error code (RFC 6749 section 5.2), compared exactly.
	Code string `yaml:"code,omitempty" json:"code,omitempty"`
	// Description is a part of the error description, compared without case.
	Description string `yaml:"description,omitempty" json:"description,omitempty"`
	// Class is what kind of failure it is.
	Class Class `yaml:"class" json:"class" jsonschema:"enum=reconsent,enum=config,enum=scope,enum=transient,enum=user"`
	// Advice tells a person what to do next.
	Advice string `yaml:"advice" json:"advice"`
}

func (r ErrorRule) fits(e *Error) bool {
	return (r.On == "" || r.On == e.At) &&
		(r.Status == 0 || r.Status == e.Status) &&
		(r.Code == "" || r.Code == e.Code) &&
		(r.Description == "" || strings.Contains(strings.ToLower(e.Description), strings.ToLower(r.Description)))
}

// classify finds the class and advice of a refusal. Rules of the definition come first.
func (d *Definition) classify(e *Error, emptyBody bool) {
	e.Class = generalClass(e, emptyBody)
	for _, rule := range d.Errors {
		if rule.fits(e) {
			e.Class, e.Advice = rule.Class, rule.Advice
			break
		}
	}
	if e.Advice == "" {
		e.Advice = generalAdvice(e)
	}
}

// generalClass knows RFC 6749 and the dialects of several providers. What it does not know is a
// matter for the operator, and no reason to end a grant.
func generalClass(e *Error, emptyBody bool) Class {
	switch {
	case e.Status == 408, e.Status == 429, e.Status >= 500, transientCode(e.Code):
		return Transient
	case e.At == AtDeviceToken:
		if class, known := deviceClass(e.Code); known {
			return class
		}
	case e.At == AtCallback && declinedCode(e.Code):
		return UserChoice
	case e.At == AtToken && deadCode(e.Code):
		return Reconsent
	case e.At == AtRefresh && (deadGrant(e) || e.Status == 400 && emptyBody): // Glewlwyd says nothing at all
		return Reconsent
	case (e.At == AtUserInfo || e.At == AtSites) && (e.Status == 403 || e.Code == "insufficient_scope"): // RFC 6750 section 3.1
		return ScopeMissing
	}
	return Misconfigured
}

func transientCode(code string) bool {
	return slices.Contains([]string{
		"temporarily_unavailable", "server_error", // RFC 6749 section 4.1.2.1
		"rate_limited", "ratelimited", "internal_error", "service_unavailable", "request_timeout", // Slack, with 200
	}, code)
}

func declinedCode(code string) bool {
	return slices.Contains([]string{"access_denied", "user_cancelled_login", "user_cancelled_authorize" /* LinkedIn */}, code)
}

func deadCode(code string) bool {
	return slices.Contains([]string{
		"invalid_grant",
		"bad_verification_code",             // GitHub, with 200
		"invalid_code", "code_already_used", // Slack, with 200
	}, code)
}

func deadGrant(e *Error) bool {
	switch e.Code {
	case "invalid_grant", "invalid_refresh_token", "token_expired", "expired_token",
		"bad_refresh_token", // GitHub
		"token_revoked":     // Slack
		return true
	// Atlassian: unauthorized_client, "refresh_token is invalid". Bitbucket: invalid_request, "Invalid
	// refresh_token". Dex: invalid_request, "Refresh token is invalid or has already been claimed by
	// another client". Not Auth0's "Grant type 'refresh_token' not allowed for the client".
	case "unauthorized_client", "invalid_request":
		about := strings.ReplaceAll(strings.ToLower(e.Description), "_", " ")
		return strings.Contains(about, "refresh token") && slices.ContainsFunc(
			[]string{"invalid", "claimed", "expired", "revoked", "unknown", "not found"},
			func(end string) bool { return strings.Contains(about, end) },
		)
	}
	return false
}

// generalAdvice says what to do next where no rule of the definition does.
func generalAdvice(e *Error) string {
	switch e.Class {
	case Reconsent:
		if e.At == AtToken {
			return "The code was used, too old, or issued for another redirect URI: start the authorization again"
		}
		if e.At == AtDeviceToken {
			return "The code was used, or has expired: start again for another one"
		}
		return "The grant has ended at the provider: authorize again"
	case Transient:
		return laterAdvice(e.At)
	case UserChoice:
		return "Access was declined: start again and accept if that was a mistake"
	case ScopeMissing:
		return "The grant does not reach this far: ask for the scope that this needs"
	}
	switch e.Code {
	case "invalid_client", "unauthorized_client", "access_denied",
		"incorrect_client_credentials",           // GitHub
		"invalid_client_id", "bad_client_secret": // Slack
		return "Check client_id, client_secret and auth_method of this provider"
	case "invalid_scope":
		return "Check the scopes asked for against those that the client may ask for"
	case "redirect_uri_mismatch", "bad_redirect_uri":
		return "Register the redirect URI of this provider there, to the letter"
	case "device_flow_disabled": // GitHub
		return "Turn on the device flow in the settings of the app there"
	case "unsupported_grant_type":
		return "Check that the client may use this grant_type, and the params of the request"
	case "multiple_client_credentials": // Okta
		return "The server refuses credentials sent twice: set send_credentials_twice to false and keep client_secret out of params"
	}
	return "Check this provider's endpoints and requests"
}

// laterAdvice is for what may pass by itself. Who holds a grant loses nothing; whoever is in the
// middle of an authorization has to begin again, since a code works once.
func laterAdvice(place string) string {
	switch place {
	case AtRefresh:
		return "The stored grant is kept: try again later"
	case AtToken, AtCallback, AtDevice, AtDeviceToken:
		return "Start the authorization again, a little later"
	}
	return "Try again later"
}

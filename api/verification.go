package api

// SessionVerification says how it is proved who consented.
type SessionVerification struct {
	// VerifierURL is the app's own verifier; null means the engine's sign-in page.
	VerifierURL *string `json:"verifier_url" jsonschema:"nullable"`
	// UnsafeSkipVerification asks for no proof: whoever consents first binds their account to the
	// user id of whoever made the link.
	UnsafeSkipVerification bool `json:"unsafe_skip_verification"`
	// UnsafeSkipVerificationChoiceAllowed tells whether the setting above may be set over the API.
	UnsafeSkipVerificationChoiceAllowed bool `json:"unsafe_skip_verification_choice_allowed"`
}

// SessionVerificationUpdate replaces the setting.
type SessionVerificationUpdate struct {
	// VerifierURL is the app's own verifier; null, absent or empty means the engine's sign-in page.
	VerifierURL            *string `json:"verifier_url,omitempty" jsonschema:"nullable"`
	UnsafeSkipVerification bool    `json:"unsafe_skip_verification,omitempty"`
}

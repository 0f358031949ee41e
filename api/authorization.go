package api

import (
	"encoding/json"
	"time"
)

// AuthorizeRequest asks for a user's authorization at a provider.
type AuthorizeRequest struct {
	// AuthRequirement says which provider and which scopes.
	AuthRequirement Requirement `json:"auth_requirement"`
	// UserID is the app's name of the person. The engine does not interpret it.
	UserID string `json:"user_id" jsonschema:"minLength=1,example=alice@example.com"`
	// NextURI is where the browser goes after success.
	NextURI string `json:"next_uri,omitempty"`
	// Connection is the name of the connection that is meant, where the user has several at the provider.
	// (Ours.)
	Connection string `json:"connection,omitempty" jsonschema:"maxLength=63,example=work"`
	// RefusedToken is a token of this authorization that the provider's API has refused with 401 before its
	// time: another one is got. Told twice of the same one, the engine refreshes once. (Ours.)
	RefusedToken string `json:"refused_token,omitempty" jsonschema:"writeOnly=true"`
}

// Requirement names a provider, by id or by provider_id, and scopes.
type Requirement struct {
	// ID is the operator's unique id of a provider. One of id and provider_id is needed.
	ID string `json:"id,omitempty"`
	// ProviderID is a well-known type such as "atlassian", or a unique id.
	ProviderID string `json:"provider_id,omitempty" jsonschema:"example=atlassian"`
	// ProviderType is oauth2, also when it is absent.
	ProviderType string `json:"provider_type,omitempty" jsonschema:"enum=oauth2"`
	// OAuth2 holds the scopes.
	OAuth2 RequirementOAuth2 `json:"oauth2,omitzero"`
}

// RequirementOAuth2 is what an OAuth 2.0 authorization has to reach.
type RequirementOAuth2 struct {
	// Scopes, when absent or empty, are the provider's default ones.
	Scopes []string `json:"scopes,omitempty"`
}

// AuthorizationStatus is how far an authorization is.
type AuthorizationStatus string

// The statuses. NotStarted is in the published clients' vocabulary; this engine does not send it.
const (
	NotStarted AuthorizationStatus = "not_started"
	Pending    AuthorizationStatus = "pending"
	Completed  AuthorizationStatus = "completed"
	Failed     AuthorizationStatus = "failed"
)

// Authorization is the state of a user's authorization at a provider.
type Authorization struct {
	// ID names the authorization to GET /v1/auth/status.
	ID string `json:"id" jsonschema:"example=ac_8f2k"`
	// Status is pending until the user has consented and, where there is a verifier, was confirmed.
	Status AuthorizationStatus `json:"status" jsonschema:"enum=not_started,enum=pending,enum=completed,enum=failed"`
	// URL is where the user's browser has to go; only while pending.
	URL string `json:"url,omitempty"`
	// UserID is the one that was asked for.
	UserID string `json:"user_id"`
	// ProviderID is the unique id of the provider that was chosen.
	ProviderID string `json:"provider_id"`
	// Scopes are what was asked for and, after completion, what was granted.
	Scopes []string `json:"scopes"`
	// Context holds the token after completion, and is empty before.
	Context AuthorizationContext `json:"context"`
	// Failure says why a failed authorization failed. (Ours.)
	Failure *Failure `json:"failure,omitempty"`
}

// AuthorizationContext is what a completed authorization gives.
type AuthorizationContext struct {
	// Token is a fresh access token.
	Token string `json:"token,omitempty"`
	// Kind is absent where the token comes of a person's consent, else what was given: an API token, a
	// personal access token, a service account. (Ours.)
	Kind string `json:"kind,omitempty" jsonschema:"enum=api_token,enum=scoped_api_token,enum=personal_access_token,enum=api_key,enum=service_account"`
	// Username is absent for a Bearer token. With it the API wants Basic: base64 of username, colon and
	// token. (Ours.)
	Username string `json:"username,omitempty"`
	// UserInfo is the JSON object that the provider's user info request gave.
	UserInfo json.RawMessage `json:"user_info,omitempty"`
	// ExpiresAt is when the token ends, if the provider said so. (Ours.)
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Sites are those that the token reaches, where the provider has such and they are known. (Ours.)
	Sites *SiteList `json:"sites,omitempty"`
}

// Failure says why an authorization failed.
type Failure struct {
	// Name is a stable code: authorization_failed or authorization_expired.
	Name string `json:"name"`
	// Message is for people: what happened, and what to do next.
	Message string `json:"message"`
}

// ConfirmRequest tells the engine, from the app's own session, who is at the browser of a flow.
type ConfirmRequest struct {
	// FlowID came to the verifier in the query parameter flow_id.
	FlowID string `json:"flow_id" jsonschema:"minLength=1"`
	// UserID is who is signed in at the app.
	UserID string `json:"user_id" jsonschema:"minLength=1"`
}

// Confirmation is a flow that was confirmed.
type Confirmation struct {
	// AuthID names the authorization, which is completed now.
	AuthID string `json:"auth_id"`
	// NextURI is where the app should send the browser, if the authorization named a place.
	NextURI string `json:"next_uri,omitempty"`
}

// LegacyConfirmation is a Confirmation as the older confirmation route wraps it.
type LegacyConfirmation struct {
	Code int          `json:"code" jsonschema:"example=200"`
	Msg  string       `json:"msg"`
	Data Confirmation `json:"data"`
}

// VerifierTrial starts a flow without a provider, which tries a custom user verifier.
type VerifierTrial struct {
	// UserID is whom the verifier is expected to confirm.
	UserID string `json:"user_id" jsonschema:"minLength=1"`
	// VerifierURL is the verifier to try.
	VerifierURL string `json:"verifier_url" jsonschema:"minLength=1"`
}

// VerifierTrialFlow is the flow of a VerifierTrial.
type VerifierTrialFlow struct {
	// FlowID is what the verifier will get.
	FlowID string `json:"flow_id"`
	// NextURI is the verifier's URL with the flow_id in it: open it in a browser.
	NextURI string `json:"next_uri"`
}

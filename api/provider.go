package api

import "time"

// Provider is an installed provider as the admin routes show it. The client secret is never shown.
type Provider struct {
	// ID is the operator's unique id.
	ID string `json:"id"`
	// ProviderID is the well-known type, absent for a custom provider.
	ProviderID string `json:"provider_id,omitempty"`
	// Type is oauth2.
	Type string `json:"type" jsonschema:"enum=oauth2"`
	// Status is inactive for a provider that may not be used.
	Status string `json:"status" jsonschema:"enum=active,enum=inactive"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// ExternalID stands in the redirect URI in place of the id. (Ours, in answers.)
	ExternalID string `json:"external_id,omitempty"`
	// Binding says where the provider was written down.
	Binding Binding `json:"binding"`
	// OAuth2 is what is in force: the well-known type's settings with the operator's on top.
	OAuth2 ProviderOAuth2 `json:"oauth2"`
	// CreatedAt is absent for providers from the configuration file.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// UpdatedAt is absent for providers from the configuration file.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Binding says where something was written down.
type Binding struct {
	// ID is the project of a project binding.
	ID string `json:"id,omitempty"`
	// Type is static for the configuration file, project for this API.
	Type string `json:"type" jsonschema:"enum=static,enum=tenant,enum=project,enum=account"`
}

// ProviderOAuth2 is the OAuth 2.0 side of a Provider.
type ProviderOAuth2 struct {
	ClientID     string      `json:"client_id"`
	ClientSecret SecretState `json:"client_secret"`
	// RedirectURI is what the operator registers at the provider.
	RedirectURI string `json:"redirect_uri"`
	OAuth2Settings
}

// SecretState says of a secret whether it is there.
type SecretState struct {
	Exists bool `json:"exists"`
	// Editable is false for secrets from the configuration file.
	Editable bool   `json:"editable"`
	Binding  string `json:"binding" jsonschema:"enum=static,enum=tenant,enum=project,enum=account"`
	// Value is always empty.
	Value string `json:"value" jsonschema:"maxLength=0"`
}

// ProviderCreate is a provider to install.
type ProviderCreate struct {
	// ID is the operator's unique id: lower-case letters, digits, "-" and "_".
	ID          string `json:"id" jsonschema:"minLength=1,maxLength=100,example=my-atlassian"`
	Description string `json:"description,omitempty" jsonschema:"maxLength=1000"`
	// ExternalID stands in the redirect URI in place of the id, when it was chosen before the id was.
	ExternalID string `json:"external_id,omitempty" jsonschema:"maxLength=50"`
	// ProviderID is a well-known type, whose settings are then used; absent for a custom provider.
	ProviderID string `json:"provider_id,omitempty" jsonschema:"example=atlassian"`
	// Type is oauth2, also when it is absent.
	Type string `json:"type,omitempty" jsonschema:"enum=oauth2"`
	// Status is active, also when it is absent.
	Status string       `json:"status,omitempty" jsonschema:"enum=active,enum=inactive"`
	OAuth2 OAuth2Create `json:"oauth2"`
}

// OAuth2Create is the OAuth 2.0 side of a ProviderCreate.
type OAuth2Create struct {
	// ClientID is absent only for a well-known type where nobody is to consent, and tokens or service accounts
	// are stored as connections.
	ClientID string `json:"client_id,omitempty" jsonschema:"maxLength=1000"`
	// ClientSecret is absent for a public client, which needs PKCE.
	ClientSecret string `json:"client_secret,omitempty" jsonschema:"maxLength=1000,writeOnly=true"`
	OAuth2Settings
}

// ProviderPatch changes a provider. What is absent stays as it is; params, headers and response_map
// are replaced as a whole when they are present.
type ProviderPatch struct {
	// ID is a new id.
	ID          *string      `json:"id,omitempty" jsonschema:"minLength=1,maxLength=100"`
	Description *string      `json:"description,omitempty" jsonschema:"maxLength=1000"`
	ProviderID  *string      `json:"provider_id,omitempty"`
	Type        *string      `json:"type,omitempty" jsonschema:"enum=oauth2"`
	Status      *string      `json:"status,omitempty" jsonschema:"enum=active,enum=inactive"`
	OAuth2      *OAuth2Patch `json:"oauth2,omitempty"`
}

// OAuth2Patch is the OAuth 2.0 side of a ProviderPatch.
type OAuth2Patch struct {
	ClientID *string `json:"client_id,omitempty" jsonschema:"minLength=1,maxLength=1000"`
	// ClientSecret keeps the old one when it is absent or empty.
	ClientSecret *string `json:"client_secret,omitempty" jsonschema:"maxLength=1000,writeOnly=true"`
	OAuth2Settings
}

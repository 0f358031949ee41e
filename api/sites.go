package api

import "time"

// Site is a site that a token reaches: at Atlassian Cloud, a tenant with an address of its own.
type Site struct {
	// ID is the provider's: at Atlassian the cloud id.
	ID   string `json:"id" jsonschema:"example=11223344-a1b2-3c4d-5e6f-778899aabbcc"`
	Name string `json:"name,omitempty"`
	// URL is where people find it, without a path.
	URL string `json:"url,omitempty" jsonschema:"example=https://teahouse.atlassian.net"`
	// Scopes are those that the token has there.
	Scopes []string `json:"scopes,omitempty"`
	// Products are those that the scopes speak of.
	Products []string `json:"products,omitempty"`
}

// SiteList is what a provider said of a connection's sites when it was asked last. (Ours.)
type SiteList struct {
	// Sites may be empty: then the token is valid, but its user let the app into no site.
	Sites []Site `json:"sites"`
	// Site is the id of the one in use: the one that was chosen, or the only one. It is absent where
	// somebody has to choose.
	Site string `json:"site,omitempty"`
	// Chosen is the id of the one that somebody chose; it stays when that site vanishes.
	Chosen string `json:"chosen,omitempty"`
	// Problem says for people why no site is in use, and what to do.
	Problem string `json:"problem,omitempty"`
	// ReadAt is when the provider said so.
	ReadAt time.Time `json:"read_at,omitzero"`
	// Appeared and Vanished tell how the list changed last, at ChangedAt.
	Appeared  []Site    `json:"appeared,omitempty"`
	Vanished  []Site    `json:"vanished,omitempty"`
	ChangedAt time.Time `json:"changed_at,omitzero"`
}

// SiteChoice says which site is meant where an app names none.
type SiteChoice struct {
	UserID string `json:"user_id" jsonschema:"minLength=1,maxLength=256,example=alice@example.com"`
	// ProviderID is the provider's unique id, or its well-known type.
	ProviderID string `json:"provider_id" jsonschema:"minLength=1,maxLength=100,example=atlassian"`
	// Site is an id, an address or the name before .atlassian.net. Empty takes the choice back.
	Site string `json:"site" jsonschema:"maxLength=2048,example=teahouse"`
}

// SiteURL is an address that is meant for a site.
type SiteURL struct {
	UserID string `json:"user_id" jsonschema:"minLength=1,maxLength=256,example=alice@example.com"`
	// ProviderID is the provider's unique id, or its well-known type.
	ProviderID string `json:"provider_id" jsonschema:"minLength=1,maxLength=100,example=atlassian"`
	// URL is an address of an API at one of the sites, or a path for the site in use.
	URL string `json:"url" jsonschema:"minLength=1,maxLength=8192,example=https://teahouse.atlassian.net/rest/api/3/myself"`
}

// SiteAddress is where a request has to be sent.
type SiteAddress struct {
	URL string `json:"url" jsonschema:"example=https://api.atlassian.com/ex/jira/11223344-a1b2-3c4d-5e6f-778899aabbcc/rest/api/3/myself"`
}

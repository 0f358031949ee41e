package keybearer

import (
	"fmt"
	"regexp"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/seal"
)

// Identifiers. They are opaque texts without "/"; the types keep them apart.
type (
	// ProjectID names a tenant. One engine serves one project today, [DefaultProject].
	ProjectID string
	// ProviderID is the operator's name of a provider, unique in its project.
	ProviderID string
	// UserID is the app's name of a person; the engine does not interpret it.
	UserID string
)

// DefaultProject is the tenant of an engine that has only one.
const DefaultProject ProjectID = "default"

// ProviderStatus says whether a provider may be used.
type ProviderStatus string

// The statuses.
const (
	ProviderActive   ProviderStatus = "active"
	ProviderDisabled ProviderStatus = "inactive"
)

// Origin says who wrote a provider down, and so how far its URLs are trusted.
type Origin string

// The origins.
const (
	FromFile Origin = "static"  // the operator's engine.yaml: may point at private addresses
	FromAPI  Origin = "project" // the admin API: public addresses only, unless the operator lists them
)

// Provider is an installed appliance: a definition with a client registered there.
type Provider struct {
	Project ProjectID
	ID      ProviderID
	// Type is the well-known kind in the catalogue ("atlassian"), or "" for a custom provider.
	Type        string
	Description string
	Status      ProviderStatus
	Origin      Origin
	// ExternalID stands in the redirect URI in place of the ID, when it was chosen before the ID was.
	ExternalID string

	// ClientID is empty where nobody can consent, and connections are given; see [View.PutConnection].
	ClientID string
	// ClientSecret is sealed at [Provider.SecretPlace]; nil for a public client.
	ClientSecret seal.Value
	// Settings are what the operator wrote: for a well-known type only the differences.
	Settings oauth.Definition
	// Definition is what is in force: the catalogue's definition with Settings on top. Stores do
	// not keep it; the Broker fills it in.
	Definition oauth.Definition

	CreatedAt, UpdatedAt time.Time
	// Version counts the writes, from 1; see ProviderStore.
	Version int64
}

// SecretPlace is where the client secret is sealed.
func (p *Provider) SecretPlace() []byte {
	return seal.Place("provider", string(p.Project), string(p.ID), "client_secret")
}

// DisplayName is what people call the provider.
func (p *Provider) DisplayName() string {
	if p.Definition.DisplayName != "" {
		return p.Definition.DisplayName
	}
	return string(p.ID)
}

// RedirectID is the part of the per-provider redirect URI that names the provider.
func (p *Provider) RedirectID() string {
	if p.ExternalID != "" {
		return p.ExternalID
	}
	return string(p.ID)
}

var providerIDPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`)

// CheckProviderID says what is wrong with an id, if anything.
func CheckProviderID(id ProviderID) error {
	if !providerIDPattern.MatchString(string(id)) {
		return fmt.Errorf("provider id %q: use 1 to 100 lower-case letters, digits, \"-\" and \"_\", beginning with a letter or digit", id)
	}
	return nil
}

package atlassiantest

import (
	"crypto/rand"
	"net/http"
	"slices"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// Defaults of a [Config].
const (
	DefaultAppID    = "sandbox-app"
	DefaultCallback = "http://127.0.0.1:9099/api/v1/oauth/atlassian/callback"
)

// Config says whom the server knows and how it behaves. The zero Config is a
// working Atlassian with one app, three accounts and two sites.
type Config struct {
	Apps     []App     // default: one app, see [DefaultApp]
	Accounts []Account // default: [DefaultAccounts]
	Sites    []Site    // default: [DefaultSites]
	// ServiceAccounts sign in without a person; default: [DefaultServiceAccount].
	ServiceAccounts []ServiceAccount

	Clock func() time.Time // default: time.Now
	// Decision is what the person does at first; default: asked by pages.
	Decision providertest.Decision

	AccessLifetime time.Duration // of access tokens, in whole seconds; default 1 h
	CodeLifetime   time.Duration // default 5 min; Atlassian publishes none
	Inactivity     time.Duration // of refresh tokens; default 90 days, negative: none
	Absolute       time.Duration // of a refresh family; default 365 days, negative: none
	Leeway         time.Duration // for a rotated refresh token; default 10 min, negative: none
	// LeewayAnswer is what a rotated token gets within the leeway, which
	// Atlassian does not document: "sibling" (default), a fresh pair beside
	// the first one, or "successor", the refresh token that replaced it.
	LeewayAnswer string
	// DeadGrant is the dialect in which a dead refresh token or code is
	// refused: "unauthorized_client" (default, measured) or "invalid_grant"
	// (documented).
	DeadGrant string
	// CheckVerifier makes the token endpoint check the PKCE verifier. Whether
	// Atlassian does is not known; it demands the secret in any case.
	CheckVerifier bool
	// MeRefusal is the status of /me without the scope read:me: 403
	// (default) or 401.
	MeRefusal int
	// MaxURL is the longest URL, in bytes, that /authorize accepts before it
	// answers 414; default 2048. The real limit is above that, but the URL is
	// wrapped into others on its way through login; 53 scopes were seen to fail.
	MaxURL int
	// ForeignSite is the status of the gateway for a site that exists and that
	// the token does not reach: 404 (default) or 401.
	ForeignSite int
	// AccountLevel makes a consent one for every site of the account, as apps
	// do whose owner chose that at their creation; default: for the sites that
	// the person chose.
	AccountLevel bool
	// SecretRotated refuses the secret of every app: its owner made a new one.
	SecretRotated bool
	// PrivateApps takes every app for one whose owner (the first account, if
	// the app names none) has not turned on sharing.
	PrivateApps bool
	// Limited refuses every API request with 429, in one of several ways; see
	// the switch limited. Default: "off".
	Limited string
	// Points is what an app may spend in an hour, and Burst how many requests
	// of one kind a site takes in a second: 0 (default) is without limit. The
	// real values are 65,000 and 100.
	Points, Burst int
	// Seed orders accessible-resources: the same seed gives the same orders.
	Seed uint64
}

// App is an OAuth 2.0 (3LO) app as its owner registered it.
type App struct {
	ID, Secret string // an empty secret is generated, see [Server.App]
	Name       string
	Callbacks  []string // exact matches; default: [DefaultCallback]
	// Scopes are those added in the developer console, without
	// offline_access; default: [DefaultScopes].
	Scopes []string
	// Owner is the key of an account; with Private set, only that one may
	// consent (Distribution is not shared).
	Owner   string
	Private bool
}

// Account is a person.
type Account struct {
	Key      string // short name for tests and for login_hint: "alice"
	Admin    bool   // of the sites that it is a member of
	ID       string // account_id
	Name     string
	Email    string
	JobTitle string
	TimeZone string
}

// Site is a cloud site.
type Site struct {
	ID       string // cloud id
	Name     string
	URL      string
	Products []string // of "jira", "confluence", "servicedesk"
	Members  []string // account keys
	// Blocked: the site's administrator does not allow apps.
	Blocked bool
}

// DefaultApp is the app of the zero Config, without its generated secret.
func DefaultApp() App {
	return App{ID: DefaultAppID, Name: "Keybearer sandbox app", Callbacks: []string{DefaultCallback}}
}

// DefaultAccounts are alice (two sites), bob (one of them) and carol (none).
func DefaultAccounts() []Account {
	return []Account{
		{Key: "alice", Admin: true, ID: "712020:5a0d0000-0000-4000-8000-00000000a11c", Name: "Alice Adams", Email: "alice@example.com", JobTitle: "Tea master", TimeZone: "Europe/Berlin"},
		{Key: "bob", ID: "712020:5a0d0000-0000-4000-8000-000000000b0b", Name: "Bob Brown", Email: "bob@example.com", JobTitle: "Gardener", TimeZone: "America/New_York"},
		{Key: "carol", ID: "712020:5a0d0000-0000-4000-8000-00000000ca01", Name: "Carol Clark", Email: "carol@example.com", JobTitle: "Guest", TimeZone: "Asia/Tokyo"},
	}
}

// DefaultSites are a tea house with all products and a garden with Jira only.
func DefaultSites() []Site {
	return []Site{
		{
			ID: "5a0d0000-7ea0-4000-8000-000000000001", Name: "sandbox-teahouse", URL: "https://sandbox-teahouse.atlassian.net",
			Products: []string{"jira", "confluence", "servicedesk"}, Members: []string{"alice", "bob"},
		},
		{
			ID: "5a0d0000-9a8d-4000-8000-000000000002", Name: "sandbox-garden", URL: "https://sandbox-garden.atlassian.net",
			Products: []string{"jira"}, Members: []string{"alice"},
		},
	}
}

// withDefaults returns a copy with every zero field filled in.
func (c Config) withDefaults() Config {
	c.Apps, c.Accounts, c.Sites = slices.Clone(c.Apps), slices.Clone(c.Accounts), slices.Clone(c.Sites)
	if len(c.Apps) == 0 {
		c.Apps = []App{DefaultApp()}
	}
	for i := range c.Apps {
		c.Apps[i] = c.Apps[i].withDefaults()
	}
	if len(c.Accounts) == 0 {
		c.Accounts = DefaultAccounts()
	}
	if len(c.Sites) == 0 {
		c.Sites = DefaultSites()
	}
	c.ServiceAccounts = slices.Clone(c.ServiceAccounts)
	if len(c.ServiceAccounts) == 0 {
		c.ServiceAccounts = []ServiceAccount{DefaultServiceAccount()}
	}
	for i := range c.ServiceAccounts {
		c.ServiceAccounts[i] = c.ServiceAccounts[i].withDefaults()
	}
	const day = 24 * time.Hour
	c.AccessLifetime = duration(c.AccessLifetime, time.Hour)
	c.CodeLifetime = duration(c.CodeLifetime, 5*time.Minute)
	c.Inactivity = duration(c.Inactivity, 90*day)
	c.Absolute = duration(c.Absolute, 365*day)
	c.Leeway = duration(c.Leeway, 10*time.Minute)
	if c.LeewayAnswer == "" {
		c.LeewayAnswer = "sibling"
	}
	if c.DeadGrant == "" {
		c.DeadGrant = "unauthorized_client"
	}
	if c.MeRefusal == 0 {
		c.MeRefusal = http.StatusForbidden
	}
	if c.ForeignSite == 0 {
		c.ForeignSite = http.StatusNotFound
	}
	if c.Limited == "" {
		c.Limited = "off"
	}
	if c.MaxURL == 0 {
		c.MaxURL = 2048
	}
	return c
}

func (a App) withDefaults() App {
	a.Callbacks, a.Scopes = slices.Clone(a.Callbacks), slices.Clone(a.Scopes)
	if a.ID == "" {
		a.ID = DefaultAppID
	}
	if a.Secret == "" {
		a.Secret = rand.Text()
	}
	if a.Name == "" {
		a.Name = a.ID
	}
	if a.Callbacks == nil {
		a.Callbacks = []string{DefaultCallback}
	}
	if a.Scopes == nil {
		a.Scopes = DefaultScopes()
	}
	return a
}

// duration reads 0 as the default and a negative value as none.
func duration(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return max(d, 0)
}

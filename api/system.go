package api

// Health tells whether the engine can serve.
type Health struct {
	Healthy bool `json:"healthy"`
	// Reason says why it cannot.
	Reason string `json:"reason,omitempty"`
}

// Config is what a dashboard has to know of the engine before anybody signs in.
type Config struct {
	Dashboard DashboardConfig `json:"dashboard"`
	OAuth2    OAuth2Config    `json:"oauth2"`
	Servers   ServersConfig   `json:"servers"`
	// Engine says what answers here. (Ours.)
	Engine EngineConfig `json:"engine"`
}

// DashboardConfig names the sign-in of a hosted dashboard; an engine of one's own has none.
type DashboardConfig struct {
	Authority      string `json:"authority"`
	ClientID       string `json:"clientId"`
	CoordinatorURI string `json:"coordinatorUri"`
}

// OAuth2Config is about providers.
type OAuth2Config struct {
	// CallbackURLTemplate is the redirect URI of a provider to come: put its external_id, or else
	// its id, in the place of {external_id}.
	CallbackURLTemplate string `json:"callback_url_template"`
}

// ServersConfig is about tool servers.
type ServersConfig struct {
	// TimeoutMaxSeconds is 0 for an engine that calls no tool servers.
	TimeoutMaxSeconds int `json:"timeout_max_seconds"`
}

// EngineConfig names the engine. (Ours.)
type EngineConfig struct {
	Name    string `json:"name" jsonschema:"example=keybearer"`
	Version string `json:"version"`
}

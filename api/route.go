package api

import "time"

// Routes are a user's connections as a proxy sees them. (Ours.)
type Routes struct {
	// Items is never null.
	Items []Route `json:"items"`
}

// Route is one connection as a proxy sees it: the hosts that it serves, and how its credential is put on a
// request. It holds no secret.
type Route struct {
	ConnectionID string `json:"connection_id"`
	// UserID, ProviderID and Name address the connection; Name is absent for the one without.
	UserID     string `json:"user_id"`
	ProviderID string `json:"provider_id"`
	Name       string `json:"name,omitempty"`
	// Default: it is used where a request does not say which of the provider's connections is meant.
	Default bool `json:"default,omitempty"`
	// Kind is oauth2 for a person's consent, else what was given.
	Kind string `json:"kind"`
	// Status is active, or reauthorize when only a new consent helps.
	Status string `json:"status" jsonschema:"enum=active,enum=reauthorize"`
	// Problem says for people why the connection gives no token, and what to do.
	Problem string `json:"problem,omitempty"`
	// Version changes with each write of the connection.
	Version     int64     `json:"version"`
	Scopes      []string  `json:"scopes,omitempty"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	Refreshable bool      `json:"refreshable,omitempty"`
	// API is what the provider's definition says in its section api.
	API ProviderAPI `json:"api"`
	// ServerURL is the base URL of a server of one's own.
	ServerURL string `json:"server_url,omitempty"`
	// Username is the other half of Basic.
	Username string `json:"username,omitempty"`
	// Sites are those that the connection reaches, Site is the id of the one in use, and Gateway is scheme
	// and host of where requests to a site have to go instead.
	Sites   []Site `json:"sites,omitempty"`
	Site    string `json:"site,omitempty"`
	Gateway string `json:"gateway,omitempty"`
	// Endpoints are the provider's OAuth endpoints, which get no credential.
	Endpoints []string `json:"endpoints,omitempty"`
}

// DefaultChoice makes a connection the one that is used where none is named. (Ours.)
type DefaultChoice struct {
	UserID     string `json:"user_id" jsonschema:"minLength=1,maxLength=256,example=alice@example.com"`
	ProviderID string `json:"provider_id" jsonschema:"minLength=1,maxLength=100,example=my-atlassian"`
	// Connection is the connection's name; empty for the one without.
	Connection string `json:"connection" jsonschema:"maxLength=63,example=work"`
}

// Injections are requests that a proxy has put a credential on, or has refused to. (Ours.)
type Injections struct {
	Items []Injection `json:"items" jsonschema:"maxItems=1000"`
}

// Injection is one such request.
type Injection struct {
	Time time.Time `json:"time"`
	// Run names the run or agent that sent it.
	Run          string `json:"run,omitempty"`
	UserID       string `json:"user_id"`
	ProviderID   string `json:"provider_id"`
	Name         string `json:"name,omitempty"`
	ConnectionID string `json:"connection_id,omitempty"`
	Method       string `json:"method"`
	Host         string `json:"host"`
	// Path has no query.
	Path string `json:"path"`
	// Status is the answer's, or 0 if there was none.
	Status int `json:"status"`
	// Sent and Received are bytes of bodies.
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
	// Outcome is ok or the code of a refusal, for which Reason says why.
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
}

// Event is a line of the audit. (Ours.)
type Event struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	// Times is how often it happened; lines of frequent events stand for several.
	Times int64 `json:"times"`
	// Actor is who did it: a key, a user, the engine, a browser.
	Actor string `json:"actor"`
	// Action is a verb: authorize, token, refresh, inject and so on.
	Action string `json:"action"`
	// Outcome is ok or the code of a failure, for which Reason says why.
	Outcome         string `json:"outcome"`
	Reason          string `json:"reason,omitempty"`
	UserID          string `json:"user_id,omitempty"`
	ProviderID      string `json:"provider_id,omitempty"`
	ConnectionID    string `json:"connection_id,omitempty"`
	AuthorizationID string `json:"authorization_id,omitempty"`
	// Request is the proxied request that the line is about.
	Request *EventRequest `json:"request,omitempty"`
}

// EventRequest is what the audit keeps of a proxied request.
type EventRequest struct {
	Run      string `json:"run,omitempty"`
	Method   string `json:"method"`
	Host     string `json:"host"`
	Path     string `json:"path"`
	Status   int64  `json:"status"`
	Sent     int64  `json:"sent"`
	Received int64  `json:"received"`
}

// Events are lines of the audit, latest first. (Ours.)
type Events struct {
	// Items is never null.
	Items []Event `json:"items"`
}

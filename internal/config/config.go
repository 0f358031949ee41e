package config

import (
	"net/netip"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// Config is a whole engine.yaml, read, expanded and checked, with every default filled in.
type Config struct {
	// Schema is the address of the JSON Schema, for editors.
	Schema string `yaml:"$schema,omitempty"`
	// API is how the engine listens.
	API API `yaml:"api,omitempty"`
	// Auth is the providers and how users authorize.
	Auth Auth `yaml:"auth,omitempty"`
	// Security is the keys and the bounds.
	Security Security `yaml:"security,omitempty"`
	// Storage is where connections are kept. At most one kind may be set.
	Storage Storage `yaml:"storage,omitempty"`
	// Telemetry is what the engine tells about itself.
	Telemetry Telemetry `yaml:"telemetry,omitempty"`
	// Tools is where tools come from.
	Tools Tools `yaml:"tools,omitempty"`
	// Gateways are choices of tools at MCP addresses of their own, beside /mcp.
	Gateways []Gateway `yaml:"gateways,omitempty" jsonschema:"maxItems=100"`

	// File is the file that was read; empty when there was none.
	File string `yaml:"-"`
	// EnvFile is the environment file that was read; empty when there was none.
	EnvFile string `yaml:"-"`
	// DataDir is the folder for the database and for generated keys, as an absolute path.
	DataDir string `yaml:"-"`

	lookup func(string) (string, bool)
}

// Env looks a variable up where the expansions look: the real environment, then the environment file.
func (c *Config) Env(name string) (string, bool) {
	if c.lookup == nil {
		return "", false
	}
	return c.lookup(name)
}

// API is how the engine listens.
type API struct {
	// Development relaxes checks that protect real users: default-key-value as a root key, plain http
	// to providers. Never for a service that others can reach.
	Development bool `yaml:"development,omitempty" jsonschema:"default=false"`
	// Host is the name or address to listen on. 0.0.0.0 listens on all.
	Host string `yaml:"host,omitempty" jsonschema:"default=localhost,minLength=1,maxLength=253"`
	// Port is the TCP port to listen on; 0 takes any free one.
	Port int `yaml:"port,omitempty" jsonschema:"default=9099,minimum=0,maximum=65535"`
	// PublicHost is the origin under which browsers reach the engine, like https://keys.example.com;
	// redirect URIs are built from it. Without a scheme it is https, or http for this machine. A path
	// prefix is kept. Default: http, host and port from above.
	PublicHost string `yaml:"public_host,omitempty" jsonschema:"maxLength=1000"`
	// ReadTimeout bounds reading a request (1s to 1h).
	ReadTimeout time.Duration `yaml:"read_timeout,omitempty" jsonschema:"default=30s"`
	// WriteTimeout bounds writing an answer (1s to 1h). Long polls have their own.
	WriteTimeout time.Duration `yaml:"write_timeout,omitempty" jsonschema:"default=1m"`
	// IdleTimeout is how long an idle connection is kept (1s to 1h).
	IdleTimeout time.Duration `yaml:"idle_timeout,omitempty" jsonschema:"default=30s"`
	// MaxRequestBodySize is the largest request body, in bytes.
	MaxRequestBodySize int64 `yaml:"max_request_body_size,omitempty" jsonschema:"default=4194304,minimum=1024,maximum=67108864"`
}

// Where callbacks of providers arrive: the values of auth.callback.
const (
	CallbackPerProvider = "per_provider"
	CallbackShared      = "shared"
)

// When the engine shows who asks for what before it sends the browser on: the values of auth.confirm_page.
const (
	ConfirmAuto   = "auto"
	ConfirmAlways = "always"
	ConfirmNever  = "never"
)

// Auth is the providers and how users authorize.
type Auth struct {
	// Providers are the OAuth 2.0 clients of the engine.
	Providers []Provider `yaml:"providers,omitempty" jsonschema:"maxItems=1000"`
	// SessionVerification says who makes sure that the person who consented is the user who was
	// asked. Absent: what was set over the API, else the engine's own signed-in users.
	SessionVerification *SessionVerification `yaml:"session_verification,omitempty"`
	// Callback chooses the redirect URIs: per_provider is /api/v1/oauth/{id}/callback, shared is
	// /api/v1/oauth/callback for all. Both are always answered.
	Callback string `yaml:"callback,omitempty" jsonschema:"default=per_provider,enum=per_provider,enum=shared"`
	// ConfirmPage says when the engine first shows who asks for which scopes: auto is where no
	// verifier protects the user.
	ConfirmPage string `yaml:"confirm_page,omitempty" jsonschema:"default=auto,enum=auto,enum=always,enum=never"`
	// NextURIOrigins are the origins that next_uri may lead to, like https://app.example.com.
	// Empty: any https origin, and http on this machine.
	NextURIOrigins []string `yaml:"next_uri_origins,omitempty" jsonschema:"maxItems=1000"`
}

// SessionVerification has the fields of the API's session_verification setting.
type SessionVerification struct {
	// VerifierURL is the app's own verifier: the browser is sent there with flow_id.
	VerifierURL string `yaml:"verifier_url,omitempty" jsonschema:"maxLength=2000"`
	// UnsafeSkipVerification completes authorizations without any check. Whoever opens the link
	// connects his account to the user who was asked.
	UnsafeSkipVerification bool `yaml:"unsafe_skip_verification,omitempty" jsonschema:"default=false"`
}

// Provider is one OAuth 2.0 client: a bundled type with provider_id, a definition of one's own with
// oauth2, or a bundled type with some pieces replaced by oauth2.
type Provider struct {
	// ID is what apps call this provider: lower-case letters, digits, hyphen and underscore.
	ID string `yaml:"id" jsonschema:"required,minLength=1,maxLength=100,pattern=^[a-z0-9][a-z0-9_-]*$"`
	// Description is for people.
	Description string `yaml:"description,omitempty" jsonschema:"maxLength=1000"`
	// Enabled false keeps the entry out of use; its values may then be empty.
	Enabled bool `yaml:"enabled,omitempty" jsonschema:"default=true"`
	// Type is oauth2, the only one there is.
	Type string `yaml:"type,omitempty" jsonschema:"default=oauth2,enum=oauth2"`
	// ProviderID is the bundled type, like atlassian. Leave it out for a server of one's own.
	ProviderID string `yaml:"provider_id,omitempty" jsonschema:"maxLength=100"`
	// ServerURL is where a server of one's own is, for the types that have such, like
	// atlassian-data-center: its base URL with the context path, https://jira.example.com/jira.
	ServerURL string `yaml:"server_url,omitempty" jsonschema:"maxLength=900"`
	// Product is which of the type's products it is: jira or confluence for atlassian-data-center.
	Product string `yaml:"product,omitempty" jsonschema:"maxLength=100"`
	// ClientID is the client identifier that the provider gave out.
	ClientID string `yaml:"client_id,omitempty" jsonschema:"maxLength=1000"`
	// ClientSecret belongs to it; a public client has none and uses PKCE.
	ClientSecret secret.String `yaml:"client_secret,omitempty" jsonschema:"maxLength=1000"`
	// Overrides is the oauth2 block as written: the whole definition, or the pieces that differ from
	// the bundled type.
	Overrides *oauth.Definition `yaml:"oauth2,omitempty"`

	// Definition is what holds: the bundled type with Overrides laid over it. For a disabled entry it
	// was not checked.
	Definition oauth.Definition `yaml:"-"`
	// Position is where the entry begins.
	Position Position `yaml:"-"`
}

// Security is the keys and the bounds.
type Security struct {
	// RootKeys seal the data keys that seal what is stored. With several, the default one does, and the
	// others are there for what was sealed before. None: the engine generates one into its data folder.
	RootKeys []RootKey `yaml:"root_keys,omitempty" jsonschema:"maxItems=100"`
	// AllowNetworks are private networks in which provider endpoints that were set over the API may
	// be, like 10.20.0.0/16. Endpoints in this file may be anywhere.
	AllowNetworks []netip.Prefix `yaml:"allow_networks,omitempty" jsonschema:"maxItems=1000"`
}

// RootKey is one key of the ring, and where it is kept: one of value, file and command.
type RootKey struct {
	// ID names the key; it is stored beside what the key has sealed.
	ID string `yaml:"id" jsonschema:"required,minLength=1,maxLength=64,pattern=^[A-Za-z0-9._-]+$"`
	// Default: what is new is sealed with this key. Exactly one of several has it.
	Default bool `yaml:"default,omitempty" jsonschema:"default=false"`
	// Value is the key: any text with enough chance in it, like 32 random bytes in base64.
	Value secret.String `yaml:"value,omitempty" jsonschema:"maxLength=1000"`
	// File holds the key. Nobody but its owner may read it.
	File string `yaml:"file,omitempty" jsonschema:"maxLength=1000"`
	// Command is a program with its arguments that prints the key, as those of key management services
	// do. It is run once at every start, without a shell, and has 30 seconds.
	Command []string `yaml:"command,omitempty" jsonschema:"maxItems=100"`
}

// Storage is where connections are kept. After loading exactly one of the kinds is set.
type Storage struct {
	// Data is the folder for the database and for generated keys. --data wins over it. Default: ~/.keybearer.
	Data string `yaml:"data,omitempty" jsonschema:"maxLength=1000"`
	// SQLite is an embedded database file. The default.
	SQLite *SQLite `yaml:"sqlite,omitempty"`
	// InMemory forgets everything at the end of the process.
	InMemory *InMemory `yaml:"in_memory,omitempty"`
	// Postgres is a PostgreSQL server.
	Postgres *Postgres `yaml:"postgres,omitempty"`
	// Retention is how long what is over is kept.
	Retention Retention `yaml:"retention,omitempty"`
}

// Retention is how long what is over is kept: an hour or more, or 0 for ever.
type Retention struct {
	// Authorizations can be asked about for this long after their deadline.
	Authorizations time.Duration `yaml:"authorizations,omitempty" jsonschema:"default=24h"`
	// DeadConnections are removed when their grant has ended and the user did not consent again for
	// this long; the audit keeps a line.
	DeadConnections time.Duration `yaml:"dead_connections,omitempty" jsonschema:"default=2160h"`
	// Audit is how long its lines are kept.
	Audit time.Duration `yaml:"audit,omitempty" jsonschema:"default=2160h"`
}

// SQLite is an embedded database file.
type SQLite struct {
	// ConnectionString is the path of the file. @DATA/ in it is the data folder, @ARCADE_HOME/ is
	// the folder of that variable or ~/.arcade. After loading it is a plain path.
	ConnectionString string `yaml:"connection_string,omitempty" jsonschema:"default=@DATA/keybearer.sqlite3,minLength=1,maxLength=1000"`
}

// InMemory has no settings.
type InMemory struct{}

// Postgres is a PostgreSQL server: a url, or its parts.
type Postgres struct {
	// URL is a whole connection URL: postgres://user:password@host:5432/db?sslmode=verify-full.
	URL secret.String `yaml:"url,omitempty" jsonschema:"maxLength=2000"`
	// Host is the name or address of the server.
	Host string `yaml:"host,omitempty" jsonschema:"maxLength=253"`
	// Port is its TCP port.
	Port int `yaml:"port,omitempty" jsonschema:"default=5432,minimum=1,maximum=65535"`
	// User is the role to connect as.
	User string `yaml:"user,omitempty" jsonschema:"maxLength=1000"`
	// Password is the role's password.
	Password secret.String `yaml:"password,omitempty" jsonschema:"maxLength=1000"`
	// DB is the database.
	DB string `yaml:"db,omitempty" jsonschema:"maxLength=1000"`
	// SSLMode is how the connection is protected.
	SSLMode string `yaml:"sslmode,omitempty" jsonschema:"default=prefer,enum=disable,enum=allow,enum=prefer,enum=require,enum=verify-ca,enum=verify-full"`
}

// Telemetry is what the engine tells about itself.
type Telemetry struct {
	// Environment names the deployment in logs, like production.
	Environment string `yaml:"environment,omitempty" jsonschema:"maxLength=100"`
	// Version is the operator's own version label.
	Version string `yaml:"version,omitempty" jsonschema:"maxLength=100"`
	// Logging is what is logged, and how.
	Logging Logging `yaml:"logging,omitempty"`
}

// Logging is what is logged, and how.
type Logging struct {
	// Level is the least level that is logged.
	Level string `yaml:"level,omitempty" jsonschema:"default=info,enum=debug,enum=info,enum=warn,enum=error"`
	// Encoding is console for people, json for machines.
	Encoding string `yaml:"encoding,omitempty" jsonschema:"default=console,enum=console,enum=json"`
}

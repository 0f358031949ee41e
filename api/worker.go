package api

// WorkerCreate registers a worker: a server that has tools.
type WorkerCreate struct {
	// ID is chosen by the operator.
	ID      string `json:"id" jsonschema:"minLength=1,maxLength=100,example=my-tools"`
	Enabled *bool  `json:"enabled,omitempty" jsonschema:"default=true"`
	// Type is http for the worker protocol, mcp for a server that speaks the Model Context Protocol.
	Type string            `json:"type,omitempty" jsonschema:"enum=http,enum=mcp"`
	HTTP *WorkerHTTPCreate `json:"http,omitempty"`
	MCP  *WorkerMCPCreate  `json:"mcp,omitempty"`
}

// WorkerHTTPCreate says where a worker of the worker protocol is. In a change, what is absent stays as it is.
type WorkerHTTPCreate struct {
	// URI is the worker's base, without /worker.
	URI string `json:"uri,omitempty" jsonschema:"maxLength=2048,example=http://localhost:8002"`
	// Secret is what the worker knows, too. It is never shown again.
	Secret string `json:"secret,omitempty" jsonschema:"maxLength=100,writeOnly=true"`
	// Timeout is how long a call may take, in seconds.
	Timeout *int `json:"timeout,omitempty" jsonschema:"minimum=1,maximum=600,default=30"`
	// Retry is how often a call that never reached the worker is tried again.
	Retry *int `json:"retry,omitempty" jsonschema:"minimum=0,maximum=10,default=3"`
}

// WorkerMCPCreate says where an MCP server is. In a change, what is absent stays as it is.
type WorkerMCPCreate struct {
	// URI is the server's streamable HTTP endpoint.
	URI     string `json:"uri,omitempty" jsonschema:"maxLength=2048,example=http://localhost:8003/mcp"`
	Timeout *int   `json:"timeout,omitempty" jsonschema:"minimum=1,maximum=600,default=30"`
	Retry   *int   `json:"retry,omitempty" jsonschema:"minimum=0,maximum=10,default=3"`
	// Headers go with each request; ${secret:NAME} in a value stands for one of Secrets.
	Headers map[string]string `json:"headers,omitempty"`
	// Secrets are values for Headers. They are never shown again.
	Secrets map[string]string `json:"secrets,omitempty" jsonschema:"writeOnly=true"`
	// OAuth2 is understood and refused: this engine does not authorize at MCP servers yet.
	OAuth2 *WorkerOAuth2Create `json:"oauth2,omitempty"`
}

// WorkerOAuth2Create is how an MCP server wants to be authorized at.
type WorkerOAuth2Create struct {
	AuthorizationURL string `json:"authorization_url,omitempty"`
	ClientID         string `json:"client_id,omitempty"`
	ClientSecret     string `json:"client_secret,omitempty" jsonschema:"writeOnly=true"`
	ExternalID       string `json:"external_id,omitempty"`
}

// WorkerPatch changes a worker. What is absent stays as it is.
type WorkerPatch struct {
	Enabled *bool             `json:"enabled,omitempty"`
	HTTP    *WorkerHTTPCreate `json:"http,omitempty"`
	MCP     *WorkerMCPCreate  `json:"mcp,omitempty"`
}

// Worker is a registered worker.
type Worker struct {
	ID      string `json:"id"`
	Type    string `json:"type" jsonschema:"enum=http,enum=mcp,enum=unknown"`
	Enabled bool   `json:"enabled"`
	// Managed workers come from the configuration file, and are changed there.
	Managed      bool               `json:"managed"`
	Binding      Binding            `json:"binding"`
	HTTP         *WorkerHTTP        `json:"http,omitempty"`
	MCP          *WorkerMCP         `json:"mcp,omitempty"`
	Requirements WorkerRequirements `json:"requirements"`
}

// WorkerHTTP is where a worker of the worker protocol is.
type WorkerHTTP struct {
	URI     string       `json:"uri"`
	Timeout int          `json:"timeout"`
	Retry   int          `json:"retry"`
	Secret  WorkerSecret `json:"secret"`
}

// WorkerMCP is where an MCP server is.
type WorkerMCP struct {
	URI     string                  `json:"uri"`
	Timeout int                     `json:"timeout"`
	Retry   int                     `json:"retry"`
	Headers map[string]string       `json:"headers"`
	Secrets map[string]WorkerSecret `json:"secrets"`
}

// WorkerSecret says that there is a secret, and never which.
type WorkerSecret struct {
	Exists   bool   `json:"exists"`
	Editable bool   `json:"editable"`
	Binding  string `json:"binding,omitempty"`
	// Value is always empty.
	Value string `json:"value"`
	Hint  string `json:"hint,omitempty"`
}

// WorkerRequirements is what has to be there before a worker can be used.
type WorkerRequirements struct {
	Met           bool                        `json:"met"`
	Authorization *WorkerRequirementsOfAccess `json:"authorization,omitempty"`
}

// WorkerRequirementsOfAccess is the authorization that a worker needs.
type WorkerRequirementsOfAccess struct {
	Met bool `json:"met"`
}

// WorkerHealth says whether a worker answers.
type WorkerHealth struct {
	ID      string `json:"id"`
	Enabled bool   `json:"enabled"`
	Healthy bool   `json:"healthy"`
	// Message says what is wrong.
	Message string `json:"message,omitempty"`
}

// WorkerTest asks whether there is a worker.
type WorkerTest struct {
	Type string            `json:"type" jsonschema:"enum=http,enum=mcp"`
	HTTP *WorkerHTTPCreate `json:"http,omitempty"`
	MCP  *WorkerMCPCreate  `json:"mcp,omitempty"`
}

// WorkerTestResult says whether there is a worker.
type WorkerTestResult struct {
	Success    bool              `json:"success"`
	Message    string            `json:"message"`
	ServerInfo *WorkerServerInfo `json:"serverInfo,omitempty"`
}

// WorkerServerInfo is what an MCP server says of itself.
type WorkerServerInfo struct {
	Name        string `json:"name"`
	Version     string `json:"version,omitempty"`
	Description string `json:"description,omitempty"`
}

// ToolSecretPut makes or replaces a secret that tools use.
type ToolSecretPut struct {
	// Value is never shown again.
	Value       string `json:"value" jsonschema:"minLength=1,maxLength=5000,writeOnly=true"`
	Description string `json:"description,omitempty" jsonschema:"maxLength=1000"`
}

// ToolSecret is a secret that tools use, without its value.
type ToolSecret struct {
	// ID is what DELETE takes.
	ID          string  `json:"id"`
	Key         string  `json:"key"`
	Description string  `json:"description,omitempty"`
	Binding     Binding `json:"binding"`
	CreatedAt   string  `json:"created_at"`
	UpdatedAt   string  `json:"updated_at"`
	// LastAccessedAt is when a tool was last given it.
	LastAccessedAt string `json:"last_accessed_at,omitempty"`
	Hint           string `json:"hint,omitempty"`
}

package api

import (
	"encoding/json"
	"time"
)

// The worker protocol: what the engine and a worker say to each other. Paths are below the worker's
// base address; every call but the one for its health carries a JWT (HS256, with the shared secret) in the
// Authorization header, with the audience WorkerAudience and the claim ver WorkerVersion.
const (
	WorkerHealthPath = "/worker/health"
	WorkerToolsPath  = "/worker/tools"
	WorkerInvokePath = "/worker/tools/invoke"
	WorkerAudience   = "worker"
	WorkerVersion    = "1"
)

// WorkerStatus is a worker's answer about its health.
type WorkerStatus struct {
	Status string `json:"status"`
	// ToolCount is a number in a string: so the published workers have it.
	ToolCount string `json:"tool_count"`
}

// WorkerTool is a tool as a worker tells of it.
type WorkerTool struct {
	Name               string                 `json:"name"`
	FullyQualifiedName string                 `json:"fully_qualified_name"` // Toolkit.Name, without the version
	Description        string                 `json:"description"`
	Toolkit            Toolkit                `json:"toolkit"`
	Input              ToolInput              `json:"input"`
	Output             *ToolOutput            `json:"output,omitempty"`
	Requirements       WorkerToolRequirements `json:"requirements"`
	DeprecationMessage string                 `json:"deprecation_message,omitempty"`
	Metadata           *ToolMetadata          `json:"metadata,omitempty"`
}

// WorkerToolRequirements is what a tool needs, as a worker tells of it.
type WorkerToolRequirements struct {
	Authorization *Requirement `json:"authorization"`
	Secrets       []Keyed      `json:"secrets"`
	Metadata      []Keyed      `json:"metadata"`
}

// Keyed names a secret or a datum, with its value where it is handed over.
type Keyed struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

// Invocation asks a worker to run a tool.
type Invocation struct {
	RunID       string         `json:"run_id"`
	ExecutionID string         `json:"execution_id"`
	CreatedAt   string         `json:"created_at"` // ISO 8601
	Tool        InvocationTool `json:"tool"`
	// Inputs and Context are never null.
	Inputs  map[string]json.RawMessage `json:"inputs"`
	Context InvocationContext          `json:"context"`
}

// InvocationTool names the tool.
type InvocationTool struct {
	Name    string `json:"name"`
	Toolkit string `json:"toolkit"`
	Version string `json:"version,omitempty"`
}

// InvocationContext is what a tool finds in its context.
type InvocationContext struct {
	Authorization *InvocationAuthorization `json:"authorization,omitempty"`
	Secrets       []Keyed                  `json:"secrets"`
	Metadata      []Keyed                  `json:"metadata"`
	UserID        string                   `json:"user_id"`
}

// InvocationAuthorization is the user's token. Beside token and user_info stands what is ours, which
// published workers ignore.
type InvocationAuthorization struct {
	Token    string          `json:"token"`
	UserInfo json.RawMessage `json:"user_info"`
	// Kind, Username, ExpiresAt and Sites are as in an AuthorizationContext. (Ours.)
	Kind      string    `json:"kind,omitempty"`
	Username  string    `json:"username,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Sites     *SiteList `json:"sites,omitempty"`
}

// InvocationResult is a worker's answer to an Invocation.
type InvocationResult struct {
	ExecutionID string `json:"execution_id"`
	// FinishedAt has no zone where the worker is written in Python.
	FinishedAt string           `json:"finished_at"`
	Duration   float64          `json:"duration"` // in milliseconds
	Success    bool             `json:"success"`
	Output     InvocationOutput `json:"output"`
}

// InvocationOutput is what the tool gave.
type InvocationOutput struct {
	Value json.RawMessage `json:"value,omitempty"`
	Logs  []ToolLog       `json:"logs,omitempty"`
	Error *ToolError      `json:"error,omitempty"`
	// RequiresAuthorization is there where the tool asks for more than it declares.
	RequiresAuthorization *WorkerAuthorizationRequest `json:"requires_authorization,omitempty"`
}

// WorkerAuthorizationRequest is a tool that asks for more than it declares. A worker that can reach the
// engine fills in the address; one that cannot leaves it empty, and the engine starts the authorization.
type WorkerAuthorizationRequest struct {
	AuthorizationURL string   `json:"authorization_url,omitempty"`
	AuthorizationID  string   `json:"authorization_id,omitempty"`
	Scopes           []string `json:"scopes,omitempty"`
	Status           string   `json:"status,omitempty"`
}

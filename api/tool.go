package api

import "encoding/json"

// Tool is the definition of a tool, as it is listed.
type Tool struct {
	// Name is the tool's own, without its toolkit: "SearchIssues".
	Name string `json:"name" jsonschema:"example=SearchIssues"`
	// QualifiedName is Toolkit.Name.
	QualifiedName string `json:"qualified_name" jsonschema:"example=Jira.SearchIssues"`
	// FullyQualifiedName is Toolkit.Name@version, or without the version where the toolkit has none.
	FullyQualifiedName string `json:"fully_qualified_name" jsonschema:"example=Jira.SearchIssues@1.0.0"`
	Description        string `json:"description"`
	// Toolkit is where the tool belongs.
	Toolkit Toolkit `json:"toolkit"`
	// Input is what the tool takes; its parameters are never null.
	Input ToolInput `json:"input"`
	// Output is what the tool gives, where that is known.
	Output *ToolOutput `json:"output,omitempty"`
	// FormattedSchema has one entry for each format that include_format asked for.
	FormattedSchema map[string]json.RawMessage `json:"formatted_schema,omitempty"`
	// Metadata says what kind of tool it is.
	Metadata *ToolMetadata `json:"metadata,omitempty"`
	// Requirements is what has to be there before the tool can run.
	Requirements *ToolRequirements `json:"requirements,omitempty"`
	// DeprecationMessage is absent for tools that are not deprecated. (Ours.)
	DeprecationMessage string `json:"deprecation_message,omitempty"`
	// Worker is the id of the worker that has the tool. (Ours.)
	Worker string `json:"worker_id,omitempty"`
}

// Toolkit is a set of tools that is versioned together.
type Toolkit struct {
	Name        string `json:"name" jsonschema:"example=Jira"`
	Description string `json:"description,omitempty"`
	Version     string `json:"version,omitempty" jsonschema:"example=1.0.0"`
}

// ToolInput is what a tool takes.
type ToolInput struct {
	Parameters []ToolParameter `json:"parameters"`
}

// ToolParameter is one argument of a tool.
type ToolParameter struct {
	Name        string      `json:"name"`
	Description string      `json:"description,omitempty"`
	Required    bool        `json:"required"`
	ValueSchema ValueSchema `json:"value_schema"`
	// Inferrable says whether a model may choose the value; absent means that it may.
	Inferrable *bool `json:"inferrable,omitempty"`
}

// ValueSchema is the type of a value in the words of the worker protocol.
type ValueSchema struct {
	// ValType is string, integer, number, boolean, json or array.
	ValType string `json:"val_type" jsonschema:"enum=string,enum=integer,enum=number,enum=boolean,enum=json,enum=array"`
	// InnerValType is the type of an array's items.
	InnerValType string `json:"inner_val_type,omitempty"`
	// Enum are the only values, for strings.
	Enum []string `json:"enum,omitempty"`
	// Properties are those of a json value, InnerProperties those of an array's items of json.
	Properties      map[string]ValueSchema `json:"properties,omitempty"`
	InnerProperties map[string]ValueSchema `json:"inner_properties,omitempty"`
	// RequiredKeys and InnerRequiredKeys are the properties that must be there.
	RequiredKeys      []string `json:"required_keys,omitempty"`
	InnerRequiredKeys []string `json:"inner_required_keys,omitempty"`
	Description       string   `json:"description,omitempty"`
	Nullable          bool     `json:"nullable,omitempty"`
}

// ToolOutput is what a tool gives.
type ToolOutput struct {
	Description string `json:"description,omitempty"`
	// AvailableModes are value, error, null and others.
	AvailableModes []string     `json:"available_modes,omitempty"`
	ValueSchema    *ValueSchema `json:"value_schema,omitempty"`
}

// ToolMetadata says what kind of tool it is.
type ToolMetadata struct {
	Classification *ToolClassification        `json:"classification,omitempty"`
	Behavior       *ToolBehavior              `json:"behavior,omitempty"`
	Extras         map[string]json.RawMessage `json:"extras,omitempty"`
}

// ToolClassification says what a tool is about.
type ToolClassification struct {
	ServiceDomains []string `json:"service_domains,omitempty"`
}

// ToolBehavior are hints, as in the tool annotations of MCP. Absent means unknown.
type ToolBehavior struct {
	// Operations are create, read, update, delete and others.
	Operations  []string `json:"operations,omitempty"`
	ReadOnly    *bool    `json:"read_only,omitempty"`
	Destructive *bool    `json:"destructive,omitempty"`
	Idempotent  *bool    `json:"idempotent,omitempty"`
	OpenWorld   *bool    `json:"open_world,omitempty"`
}

// ToolRequirements is what has to be there before a tool can run.
type ToolRequirements struct {
	// Met says whether all of it is there, for the user that was asked about.
	Met           bool                    `json:"met"`
	Authorization *ToolAuthorization      `json:"authorization,omitempty"`
	Secrets       []ToolSecretRequirement `json:"secrets,omitempty"`
}

// ToolAuthorization is the authorization that a tool needs.
type ToolAuthorization struct {
	ID           string             `json:"id,omitempty"`
	ProviderID   string             `json:"provider_id,omitempty"`
	ProviderType string             `json:"provider_type,omitempty"`
	OAuth2       *RequirementOAuth2 `json:"oauth2,omitempty"`
	// Status is active where a provider for it is installed and switched on, else inactive.
	Status       string `json:"status,omitempty" jsonschema:"enum=active,enum=inactive"`
	StatusReason string `json:"status_reason,omitempty"`
	// TokenStatus is how far the user's authorization is; only where a user_id was given.
	TokenStatus AuthorizationStatus `json:"token_status,omitempty" jsonschema:"enum=not_started,enum=pending,enum=completed,enum=failed"`
}

// ToolSecretRequirement is a secret that a tool needs.
type ToolSecretRequirement struct {
	Key          string `json:"key"`
	Met          bool   `json:"met"`
	StatusReason string `json:"status_reason,omitempty"`
}

// ToolAuthorize asks for the authorization that a tool needs.
type ToolAuthorize struct {
	// ToolName is Toolkit.Tool, Toolkit_Tool or either with @version.
	ToolName    string `json:"tool_name" jsonschema:"minLength=1,example=Jira.SearchIssues"`
	ToolVersion string `json:"tool_version,omitempty"`
	UserID      string `json:"user_id,omitempty"`
	NextURI     string `json:"next_uri,omitempty"`
}

// Execute asks for a tool to run, now or at a time.
type Execute struct {
	// ToolName is Toolkit.Tool, Toolkit_Tool or either with @version.
	ToolName    string `json:"tool_name" jsonschema:"minLength=1,example=Jira.SearchIssues"`
	ToolVersion string `json:"tool_version,omitempty"`
	// Input are the arguments by name.
	Input  map[string]json.RawMessage `json:"input,omitempty"`
	UserID string                     `json:"user_id,omitempty"`
	// RunAt is when to run: RFC 3339, or 2026-01-31T15:04:05 in UTC. Absent means now.
	RunAt string `json:"run_at,omitempty" jsonschema:"example=2026-01-31T15:04:05"`
	// IncludeErrorStacktrace lets the worker's stack trace through.
	IncludeErrorStacktrace bool `json:"include_error_stacktrace,omitempty"`
}

// Execution is a tool that ran, or will.
type Execution struct {
	// ID names the execution; scheduled ones are found by it.
	ID          string `json:"id" jsonschema:"example=te_8f2k"`
	ExecutionID string `json:"execution_id"`
	// ExecutionType is immediate or scheduled.
	ExecutionType string `json:"execution_type" jsonschema:"enum=immediate,enum=scheduled"`
	// Status is success, failed or scheduled.
	Status  string `json:"status" jsonschema:"enum=success,enum=failed,enum=scheduled"`
	Success bool   `json:"success"`
	// Duration is how long the tool took, in milliseconds.
	Duration   float64          `json:"duration"`
	FinishedAt string           `json:"finished_at,omitempty"`
	RunAt      string           `json:"run_at,omitempty"`
	Output     *ExecutionOutput `json:"output,omitempty"`
}

// ExecutionOutput is what a tool gave.
type ExecutionOutput struct {
	// Value is absent where the tool failed.
	Value json.RawMessage `json:"value,omitempty"`
	Error *ToolError      `json:"error,omitempty"`
	Logs  []ToolLog       `json:"logs,omitempty"`
	// Authorization is there where the tool asked for more than it declares.
	Authorization *Authorization `json:"authorization,omitempty"`
}

// ToolError is how a tool failed. A tool that failed is an answer 200 all the same.
type ToolError struct {
	Message string `json:"message"`
	// Kind is one of the ToolErrorKind constants.
	Kind     string `json:"kind"`
	CanRetry bool   `json:"can_retry"`
	// DeveloperMessage is not meant for a model.
	DeveloperMessage string `json:"developer_message,omitempty"`
	// AdditionalPromptContent is for the model's next try.
	AdditionalPromptContent string                     `json:"additional_prompt_content,omitempty"`
	RetryAfterMS            int                        `json:"retry_after_ms,omitempty"`
	StatusCode              int                        `json:"status_code,omitempty"`
	Stacktrace              string                     `json:"stacktrace,omitempty"`
	Extra                   map[string]json.RawMessage `json:"extra,omitempty"`
}

// The kinds of a ToolError.
const (
	ToolLoadFailed          = "TOOLKIT_LOAD_FAILED"
	ToolBadDefinition       = "TOOL_DEFINITION_BAD_DEFINITION"
	ToolBadInputSchema      = "TOOL_DEFINITION_BAD_INPUT_SCHEMA"
	ToolBadOutputSchema     = "TOOL_DEFINITION_BAD_OUTPUT_SCHEMA"
	ToolRequirementsNotMet  = "TOOL_REQUIREMENTS_NOT_MET"
	ToolBadInput            = "TOOL_RUNTIME_BAD_INPUT_VALUE"
	ToolBadOutput           = "TOOL_RUNTIME_BAD_OUTPUT_VALUE"
	ToolRetry               = "TOOL_RUNTIME_RETRY"
	ToolContextRequired     = "TOOL_RUNTIME_CONTEXT_REQUIRED"
	ToolFatal               = "TOOL_RUNTIME_FATAL"
	ToolContextCheckFailed  = "CONTEXT_CHECK_FAILED"
	ToolContextDenied       = "CONTEXT_DENIED"
	ToolUpstreamBadRequest  = "UPSTREAM_RUNTIME_BAD_REQUEST"
	ToolUpstreamAuth        = "UPSTREAM_RUNTIME_AUTH_ERROR"
	ToolUpstreamNotFound    = "UPSTREAM_RUNTIME_NOT_FOUND"
	ToolUpstreamValidation  = "UPSTREAM_RUNTIME_VALIDATION_ERROR"
	ToolUpstreamRateLimit   = "UPSTREAM_RUNTIME_RATE_LIMIT"
	ToolUpstreamServerError = "UPSTREAM_RUNTIME_SERVER_ERROR"
	ToolUpstreamUnmapped    = "UPSTREAM_RUNTIME_UNMAPPED"
	ToolNetworkTimeout      = "NETWORK_TRANSPORT_RUNTIME_TIMEOUT"
	ToolNetworkUnreachable  = "NETWORK_TRANSPORT_RUNTIME_UNREACHABLE"
	ToolNetworkUnmapped     = "NETWORK_TRANSPORT_RUNTIME_UNMAPPED"
	ToolUnknown             = "UNKNOWN"
)

// ToolLog is what a tool said beside its value.
type ToolLog struct {
	Message string `json:"message"`
	Level   string `json:"level"`
	Subtype string `json:"subtype,omitempty"`
}

// ToolRequirementsRequest asks what some tools need, together.
type ToolRequirementsRequest struct {
	ToolNames []string      `json:"tool_names,omitempty"`
	Tools     []ToolVersion `json:"tools,omitempty"`
	UserID    string        `json:"user_id,omitempty"`
	// Authorize starts the authorizations that are missing; their links are in the answer.
	Authorize bool `json:"authorize,omitempty"`
}

// ToolVersion names a tool.
type ToolVersion struct {
	ToolName    string `json:"tool_name"`
	ToolVersion string `json:"tool_version,omitempty"`
}

// ToolRequirementsAnswer is what some tools need together.
type ToolRequirementsAnswer struct {
	Met           bool                   `json:"met"`
	Authorization RequiredAuthorizations `json:"authorization"`
	Secrets       RequiredSecrets        `json:"secrets"`
}

// RequiredAuthorizations are the authorizations that some tools need.
type RequiredAuthorizations struct {
	Met   bool                             `json:"met"`
	Items map[string]RequiredAuthorization `json:"items"`
}

// RequiredAuthorization is one authorization, with the tools that need it.
type RequiredAuthorization struct {
	Met             bool                `json:"met"`
	Status          string              `json:"status,omitempty" jsonschema:"enum=active,enum=inactive"`
	TokenStatus     AuthorizationStatus `json:"token_status,omitempty" jsonschema:"enum=not_started,enum=pending,enum=completed,enum=failed"`
	ProviderID      string              `json:"provider_id,omitempty"`
	ProviderType    string              `json:"provider_type,omitempty"`
	Scopes          []string            `json:"scopes"`
	ToolNames       []string            `json:"tool_names"`
	AuthorizationID string              `json:"authorization_id,omitempty"`
	URL             string              `json:"url,omitempty"`
}

// RequiredSecrets are the secrets that some tools need.
type RequiredSecrets struct {
	Met   bool                      `json:"met"`
	Items map[string]RequiredSecret `json:"items"`
}

// RequiredSecret is one secret, with the tools that need it.
type RequiredSecret struct {
	Met          bool     `json:"met"`
	StatusReason string   `json:"status_reason,omitempty"`
	ToolNames    []string `json:"tool_names"`
}

// ScheduledTool is a tool that is to run at a time, or did.
type ScheduledTool struct {
	ID             string `json:"id"`
	ToolName       string `json:"tool_name"`
	ToolkitName    string `json:"toolkit_name"`
	ToolkitVersion string `json:"toolkit_version,omitempty"`
	UserID         string `json:"user_id"`
	ExecutionType  string `json:"execution_type" jsonschema:"enum=scheduled"`
	// ExecutionStatus is scheduled, running, success or failed.
	ExecutionStatus string `json:"execution_status" jsonschema:"enum=scheduled,enum=running,enum=success,enum=failed"`
	RunAt           string `json:"run_at"`
	StartedAt       string `json:"started_at,omitempty"`
	FinishedAt      string `json:"finished_at,omitempty"`
	CreatedAt       string `json:"created_at"`
	UpdatedAt       string `json:"updated_at"`
}

// ScheduledToolDetail is a scheduled tool with its input and its attempts.
type ScheduledToolDetail struct {
	ScheduledTool
	Input    map[string]json.RawMessage `json:"input"`
	Attempts []ScheduledAttempt         `json:"attempts"`
}

// ScheduledAttempt is one try to run a scheduled tool.
type ScheduledAttempt struct {
	ID         string `json:"id"`
	StartedAt  string `json:"started_at"`
	FinishedAt string `json:"finished_at,omitempty"`
	Success    bool   `json:"success"`
	// SystemErrorMessage says why the tool could not be run at all.
	SystemErrorMessage string           `json:"system_error_message,omitempty"`
	Output             *ExecutionOutput `json:"output,omitempty"`
}

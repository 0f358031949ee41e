package api

// Error is the body of every answer with a status of 400 or more, but for GET /v1/health.
type Error struct {
	// Name is a stable code: bad_request, invalid_authorization, permission_denied, not_found, …
	Name string `json:"name" jsonschema:"example=not_found"`
	// Message is for people: what happened, and what to do next.
	Message string `json:"message"`
	// RequestID finds the engine's log line of an internal error. (Ours.)
	RequestID string `json:"request_id,omitempty"`
	// Authorization is what a tool's user has to give first, in an answer 403 to its execution. (Ours.)
	Authorization *Authorization `json:"authorization,omitempty"`

	// Code is the HTTP status once more, only in the answers of the user confirmation.
	Code int `json:"code,omitempty"`
	// Error is Name once more, only in the answers of the user confirmation.
	Error string `json:"error,omitempty"`
	// Msg is Message once more, only in the answers of the user confirmation.
	Msg string `json:"msg,omitempty"`
}

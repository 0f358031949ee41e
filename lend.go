package keybearer

// AuthorizationRequired is the error of a tool whose user has not authorized what it needs. It unwraps to
// [PermissionDenied], and its text begins with "authorization required", by which published clients know it.
type AuthorizationRequired struct {
	// Tool is the tool's name.
	Tool string
	// Authorization is pending: its URL is where the user has to go.
	Authorization Authorization
}

func (e *AuthorizationRequired) Error() string {
	return "authorization required: " + string(e.Authorization.User) + " has to open " + e.Authorization.URL + " before " + e.Tool + " can run"
}

// Unwrap makes errors.Is(err, PermissionDenied) hold.
func (e *AuthorizationRequired) Unwrap() error { return PermissionDenied }

package httpapi

import (
	"net/http"
	"reflect"
	"slices"

	kb "github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// routes is the table of everything that the door answers.
func routes() []route {
	return slices.Concat(mostRoutes(), siteRoutes(), proxyRoutes(), toolRoutes(), workerRoutes(), toolSecretRoutes())
}

func mostRoutes() []route {
	return []route{
		takes(route{
			method: http.MethodPost, path: "/v1/auth/authorize", id: "authorize", tag: "auth", once: true,
			summary: "Ask for a user's authorization at a provider",
			about:   "Answers completed with a fresh token where the user's grant covers the scopes. Otherwise the user has to visit url; two requests for the same user, provider and scopes get the same pending authorization.",
			fails:   []kb.Kind{kb.BadRequest, kb.PermissionDenied, kb.ProviderNotFound, kb.AmbiguousProvider, kb.ProviderInactive, kb.Conflict, kb.RateLimited, kb.ProviderRefused, kb.ProviderAway},
		}, authorize),
		gives(route{
			method: http.MethodGet, path: "/v1/auth/status", id: "status", tag: "auth",
			summary: "See how far an authorization is, or wait for its end",
			about:   "With wait the answer comes when the authorization has ended or the time is over, then with the present state. An authorization that failed is an answer 400 to a request that waits, so that helpers which only know completed come to an end.",
			query: []param{
				{name: "id", kind: "string", about: "The id of the authorization.", required: true},
				{name: "wait", kind: "integer", about: "How long to wait, in seconds; more than 59 means 59."},
			},
			fails: []kb.Kind{kb.BadRequest, kb.PermissionDenied, kb.NotFound, kb.AuthorizationFailed, kb.AuthorizationEnded, kb.RateLimited, kb.ProviderRefused, kb.ProviderAway},
		}, status),
		takes(route{
			method: http.MethodPost, path: "/v1/auth/confirm_user", id: "confirmUser", tag: "auth", confirms: true,
			summary: "Say who is at the browser of a flow",
			about:   "Called by the app's verifier, server to server, with the user of the app's own session.",
			fails:   []kb.Kind{kb.BadRequest, kb.PermissionDenied, kb.NotFound, kb.UserMismatch, kb.AuthorizationEnded, kb.Conflict},
		}, confirm),
		takes(route{
			method: http.MethodPost, path: "/api/v1/oauth/confirm_user", id: "confirmUserLegacy", tag: "auth", confirms: true,
			summary: "The same under its older path, with the answer wrapped",
			fails:   []kb.Kind{kb.BadRequest, kb.PermissionDenied, kb.NotFound, kb.UserMismatch, kb.AuthorizationEnded, kb.Conflict},
		}, confirmLegacy),
		takes(route{
			method: http.MethodPost, path: "/v1/auth/validate_custom_verifier", id: "validateCustomVerifier", tag: "auth",
			summary: "Try a custom user verifier",
			about:   "Starts a flow that stands for no provider and no grant. Open next_uri in a browser: the verifier has to confirm flow_id for user_id.",
			fails:   []kb.Kind{kb.BadRequest, kb.PermissionDenied},
		}, tryVerifier),

		gives(route{
			method: http.MethodGet, path: "/v1/admin/auth_providers", id: "listAuthProviders", tag: "auth providers", admin: true,
			summary: "List all providers", fails: []kb.Kind{kb.PermissionDenied},
		}, listProviders),
		takes(route{
			method: http.MethodPost, path: "/v1/admin/auth_providers", id: "createAuthProvider", tag: "auth providers", admin: true, once: true,
			summary: "Install a provider", status: http.StatusCreated,
			fails: []kb.Kind{kb.BadRequest, kb.PermissionDenied, kb.Conflict},
		}, createProvider),
		gives(route{
			method: http.MethodGet, path: "/v1/admin/auth_providers/{id}", id: "getAuthProvider", tag: "auth providers", admin: true,
			summary: "Show a provider", fails: []kb.Kind{kb.PermissionDenied, kb.NotFound},
		}, getProvider),
		takes(route{
			method: http.MethodPatch, path: "/v1/admin/auth_providers/{id}", id: "patchAuthProvider", tag: "auth providers", admin: true,
			summary: "Change a provider", about: "Absent and null fields stay as they are, and so does an empty client_secret. Providers from the configuration file are changed there.",
			fails: []kb.Kind{kb.BadRequest, kb.PermissionDenied, kb.NotFound, kb.Conflict},
		}, patchProvider),
		gives(route{
			method: http.MethodDelete, path: "/v1/admin/auth_providers/{id}", id: "deleteAuthProvider", tag: "auth providers", admin: true,
			summary: "Remove a provider", about: "Answers with what was removed.",
			fails: []kb.Kind{kb.BadRequest, kb.PermissionDenied, kb.NotFound, kb.Conflict},
		}, deleteProvider),

		gives(route{
			method: http.MethodGet, path: "/v1/admin/user_connections", id: "listUserConnections", tag: "user connections", admin: true,
			summary: "List connections", about: "The filters are also understood as provider[id] and user[id], and as provider.id and user.id.",
			query: []param{
				{name: "limit", kind: "integer", about: "The largest number of items: 25, also when it is absent, and at most 100."},
				{name: "offset", kind: "integer", about: "How many items to pass over."},
				{name: "provider_id", kind: "string", about: "Only connections at this provider."},
				{name: "user_id", kind: "string", about: "Only connections of this user."},
			},
			fails: []kb.Kind{kb.BadRequest, kb.PermissionDenied},
		}, listConnections),
		takes(route{
			method: http.MethodPost, path: "/v1/admin/user_connections", id: "createUserConnection", tag: "user connections", admin: true, once: true,
			summary: "Store a token or a service account's credential as a user's connection",
			about:   "It takes the place of the user's connection at the provider. A service account is asked for a token first, and a personal access token for its user where the provider tells that: what is refused is not stored.",
			status:  http.StatusCreated,
			fails:   []kb.Kind{kb.BadRequest, kb.PermissionDenied, kb.NotFound, kb.ProviderInactive, kb.Conflict, kb.ProviderRefused, kb.ProviderAway},
		}, createConnection),
		gives(route{
			method: http.MethodDelete, path: "/v1/admin/user_connections/{id}", id: "deleteUserConnection", tag: "user connections", admin: true,
			summary: "Disconnect a user", about: "The grant is revoked at the provider where that is possible, and forgotten in any case.",
			fails: []kb.Kind{kb.PermissionDenied, kb.NotFound, kb.Conflict},
		}, deleteConnection),

		gives(route{
			method: http.MethodGet, path: "/v1/admin/settings/session_verification", id: "getSessionVerification", tag: "settings", admin: true,
			summary: "Show how it is proved who consented", fails: []kb.Kind{kb.PermissionDenied, kb.NotFound},
		}, getVerification),
		takes(route{
			method: http.MethodPut, path: "/v1/admin/settings/session_verification", id: "putSessionVerification", tag: "settings", admin: true,
			summary: "Set how it is proved who consented", fails: []kb.Kind{kb.BadRequest, kb.PermissionDenied},
		}, putVerification),

		gives(route{
			method: http.MethodGet, path: "/v1/admin/api_keys", id: "listAPIKeys", tag: "API keys", admin: true,
			summary: "List API keys", about: "Revoked keys are in the list, too.", fails: []kb.Kind{kb.PermissionDenied},
		}, listKeys),
		takes(route{
			method: http.MethodPost, path: "/v1/admin/api_keys", id: "createAPIKey", tag: "API keys", admin: true, once: true,
			summary: "Make an API key", about: "The answer is the only one that shows the key.", status: http.StatusCreated,
			fails: []kb.Kind{kb.BadRequest, kb.PermissionDenied, kb.Conflict},
		}, createKey),
		gives(route{
			method: http.MethodDelete, path: "/v1/admin/api_keys/{id}", id: "revokeAPIKey", tag: "API keys", admin: true,
			summary: "Revoke an API key", fails: []kb.Kind{kb.BadRequest, kb.PermissionDenied, kb.NotFound},
		}, revokeKey),

		gives(route{
			method: http.MethodGet, path: "/v1/admin/accounts", id: "listAccounts", tag: "accounts", admin: true,
			summary: "List the people who can sign in", fails: []kb.Kind{kb.PermissionDenied},
		}, listAccounts),
		takes(route{
			method: http.MethodPut, path: "/v1/admin/accounts/{user}", id: "putAccount", tag: "accounts", admin: true,
			summary: "Make or replace a person's account", fails: []kb.Kind{kb.BadRequest, kb.PermissionDenied},
		}, putAccount),
		gives(route{
			method: http.MethodDelete, path: "/v1/admin/accounts/{user}", id: "deleteAccount", tag: "accounts", admin: true,
			summary: "Delete a person's account", fails: []kb.Kind{kb.PermissionDenied, kb.NotFound},
		}, deleteAccount),

		gives(route{
			method: http.MethodGet, path: "/v1/admin/sealing_keys", id: "listSealingKeys", tag: "sealing keys", admin: true,
			summary: "List the keys that seal what is stored, and count what is sealed with each",
			about:   "Root keys come first, then data keys, the oldest first. The keys themselves are never shown.",
			fails:   []kb.Kind{kb.PermissionDenied, kb.NotImplemented},
		}, listSealingKeys),
		gives(route{
			method: http.MethodPost, path: "/v1/admin/sealing_keys", id: "rotateSealingKeys", tag: "sealing keys", admin: true,
			summary: "Make a new data key", about: "It seals from now on. What is stored is sealed anew in the background.", status: http.StatusCreated,
			fails: []kb.Kind{kb.PermissionDenied, kb.NotImplemented},
		}, rotateKeys),

		gives(route{
			method: http.MethodGet, path: "/v1/health", id: "health", tag: "engine", open: true,
			summary: "Tell whether the engine can serve",
			also:    map[int]reflect.Type{http.StatusServiceUnavailable: reflect.TypeFor[api.Health]()},
		}, health),
		gives(route{
			method: http.MethodGet, path: "/v1/config", id: "config", tag: "engine", open: true,
			summary: "Tell what a dashboard has to know before anybody signs in",
		}, config),
		gives(route{
			method: http.MethodGet, path: "/v1/swagger", id: "swagger", tag: "engine", open: true,
			summary: "This document",
		}, swagger),
		gives(route{
			method: http.MethodPost, path: "/v1/chat/completions", id: "chatCompletions", tag: "engine",
			summary: "Not implemented: this engine calls no language models", fails: []kb.Kind{kb.NotImplemented},
		}, chat),
	}
}

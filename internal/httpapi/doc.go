// Package httpapi is the JSON door of the engine: the HTTP API that the published Arcade clients
// speak, and the admin routes.
//
// It owns the wire: routes, headers, bodies, statuses, the error body, the long poll, the replay of
// repeated requests, and the OpenAPI document. Every route authenticates, decodes, calls one verb of
// [keybearer.View] and encodes; what the verbs mean, who may call them and what the audit hears is
// the root package's business. Pages for browsers are internal/pages, listening and stopping is
// internal/engine.
//
// The table in routes.go is the truth: the mux, the alias under /v1/orgs/{org}/projects/{project}
// and openapi.json are made from it.
package httpapi

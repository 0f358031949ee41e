package httpapi

import (
	"net/http"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

// toolSecretRoutes are about the secrets that tools use, for operators.
func toolSecretRoutes() []route {
	put := []keybearer.Kind{keybearer.BadRequest, keybearer.PermissionDenied, keybearer.Conflict}
	return []route{
		gives(route{
			method: http.MethodGet, path: "/v1/admin/secrets", id: "listSecrets", tag: "secrets", admin: true,
			summary: "List the secrets that tools use, without their values", fails: []keybearer.Kind{keybearer.PermissionDenied},
		}, listToolSecrets),
		takes(route{
			method: http.MethodPost, path: "/v1/admin/secrets/{key}", id: "putSecret", tag: "secrets", admin: true,
			summary: "Make or replace a secret", about: "The key in the path is the name by which tools ask for it.", fails: put,
		}, putToolSecret),
		gives(route{
			method: http.MethodDelete, path: "/v1/admin/secrets/{key}", id: "deleteSecret", tag: "secrets", admin: true,
			summary: "Remove a secret", about: "Here the path has the id of the secret, as the list tells it.",
			fails: []keybearer.Kind{keybearer.PermissionDenied, keybearer.NotFound},
		}, deleteToolSecret),
	}
}

func listToolSecrets(c *call) (api.Page[api.ToolSecret], error) {
	all, err := c.view.ToolSecrets(c.ctx())
	out := make([]api.ToolSecret, len(all))
	for i := range all {
		out[i] = toolSecret(&all[i])
	}
	return api.WholePage(out), err
}

func putToolSecret(c *call, in api.ToolSecretPut) (api.ToolSecret, error) {
	s, err := c.view.PutToolSecret(c.ctx(), c.req.PathValue("key"), secret.New(in.Value), in.Description)
	return toolSecret(&s), err
}

func deleteToolSecret(c *call) (nothing, error) {
	return nothing{}, c.view.DeleteToolSecret(c.ctx(), c.req.PathValue("key"))
}

func toolSecret(s *keybearer.ToolSecret) api.ToolSecret {
	return api.ToolSecret{
		ID: s.ID, Key: s.Key, Description: s.Description, Binding: api.Binding{ID: string(s.Project), Type: "project"},
		CreatedAt: timeText(s.CreatedAt), UpdatedAt: timeText(s.UpdatedAt), LastAccessedAt: timeText(s.AccessedAt),
	}
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

package httpapi

import (
	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

func listKeys(c *call) (api.Page[api.Key], error) {
	all, err := c.view.Keys(c.ctx())
	out := make([]api.Key, len(all))
	for i := range all {
		out[i] = apiKeyShown(&all[i])
	}
	return api.WholePage(out), err
}

func createKey(c *call, in api.KeyCreate) (api.NewKey, error) {
	providers := make([]keybearer.ProviderID, len(in.Providers))
	for i, p := range in.Providers {
		providers[i] = keybearer.ProviderID(p)
	}
	k, text, err := c.view.CreateKey(c.ctx(), keybearer.KeyDraft{Name: in.Name, Scope: in.Scope, Providers: providers, Users: in.Users})
	return api.NewKey{Key: apiKeyShown(&k), Text: text.Reveal()}, err
}

func revokeKey(c *call) (nothing, error) {
	return nothing{}, c.view.RevokeKey(c.ctx(), c.req.PathValue("id"))
}

func apiKeyShown(k *keybearer.Key) api.Key {
	out := api.Key{ID: k.ID, Name: k.Name, Scope: k.Scope, Users: k.Users, Hint: k.Hint, CreatedAt: k.CreatedAt, RevokedAt: k.RevokedAt}
	for _, p := range k.Providers {
		out.Providers = append(out.Providers, string(p))
	}
	return out
}

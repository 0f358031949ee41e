package httpapi

import (
	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

func listProviders(c *call) (api.Page[api.Provider], error) {
	all, err := c.view.Providers(c.ctx())
	out := make([]api.Provider, len(all))
	for i := range all {
		out[i] = c.provider(&all[i])
	}
	return api.WholePage(out), err
}

func getProvider(c *call) (api.Provider, error) {
	p, err := c.view.Provider(c.ctx(), c.providerID())
	return c.provider(&p), err
}

func createProvider(c *call, in api.ProviderCreate) (api.Provider, error) {
	var draft keybearer.ProviderDraft
	err := edit(&draft, api.ProviderPatch{
		ID: &in.ID, Description: &in.Description, ProviderID: &in.ProviderID, Type: &in.Type, Status: &in.Status,
		OAuth2: &api.OAuth2Patch{ClientID: &in.OAuth2.ClientID, ClientSecret: &in.OAuth2.ClientSecret, OAuth2Settings: in.OAuth2.OAuth2Settings},
	})
	if err != nil {
		return api.Provider{}, err
	}
	draft.ExternalID = in.ExternalID
	p, err := c.view.CreateProvider(c.ctx(), draft)
	return c.provider(&p), err
}

func patchProvider(c *call, in api.ProviderPatch) (api.Provider, error) {
	p, err := c.view.UpdateProvider(c.ctx(), c.providerID(), func(draft *keybearer.ProviderDraft) error {
		return edit(draft, in)
	})
	return c.provider(&p), err
}

func deleteProvider(c *call) (api.Provider, error) {
	p, err := c.view.DeleteProvider(c.ctx(), c.providerID())
	return c.provider(&p), err
}

func (c *call) providerID() keybearer.ProviderID {
	return keybearer.ProviderID(c.req.PathValue("id"))
}

// edit applies a patch to a draft.
func edit(draft *keybearer.ProviderDraft, in api.ProviderPatch) error {
	if in.Type != nil && *in.Type != "" && *in.Type != "oauth2" {
		return keybearer.Errorf(keybearer.BadRequest, "type %q is not supported: use oauth2", clip(*in.Type, 40))
	}
	setAs(&draft.ID, in.ID)
	set(&draft.Description, in.Description)
	set(&draft.Type, in.ProviderID)
	setAs(&draft.Status, in.Status)
	if in.OAuth2 == nil {
		return nil
	}
	set(&draft.ClientID, in.OAuth2.ClientID)
	if s := in.OAuth2.ClientSecret; s != nil && *s != "" {
		draft.ClientSecret = secret.New(*s)
	}
	return editSettings(&draft.Settings, in.OAuth2.OAuth2Settings)
}

func (c *call) provider(p *keybearer.Provider) api.Provider {
	binding := api.Binding{Type: string(p.Origin)}
	if p.Origin == keybearer.FromAPI {
		binding.ID = string(p.Project)
	}
	return api.Provider{
		ID: string(p.ID), ProviderID: p.Type, Type: "oauth2", Status: string(p.Status),
		Description: p.Description, ExternalID: p.ExternalID, Binding: binding,
		OAuth2: api.ProviderOAuth2{
			ClientID: p.ClientID,
			ClientSecret: api.SecretState{
				Exists: len(p.ClientSecret) > 0, Editable: p.Origin == keybearer.FromAPI, Binding: string(p.Origin),
			},
			RedirectURI:    c.Broker.RedirectURI(p),
			OAuth2Settings: settings(&p.Definition),
		},
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

// set gives a field the value of a patch, if the patch has one.
func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func setAs[T ~string](field *T, value *string) {
	if value != nil {
		*field = T(*value)
	}
}

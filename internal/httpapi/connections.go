package httpapi

import (
	"encoding/json"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

func listConnections(c *call) (api.Page[api.Connection], error) {
	q, err := c.query()
	if err != nil {
		return api.Page[api.Connection]{}, err
	}
	limit, offset, err := pageOf(q)
	if err != nil {
		return api.Page[api.Connection]{}, err
	}
	// Python and Go send brackets, JavaScript an underscore, the oldest document has a dot.
	page, total, err := c.view.Connections(c.ctx(), keybearer.ConnectionFilter{
		Provider: keybearer.ProviderID(first(q, "provider_id", "provider[id]", "provider.id")),
		User:     keybearer.UserID(first(q, "user_id", "user[id]", "user.id")),
		Limit:    limit, Offset: offset,
	})
	out := make([]api.Connection, len(page))
	for i := range page {
		out[i] = connection(&page[i])
	}
	return api.NewPage(out, limit, offset, total), err
}

func createConnection(c *call, in api.ConnectionCreate) (api.Connection, error) {
	stored, err := c.view.PutConnection(c.ctx(), keybearer.Ref{User: keybearer.UserID(in.UserID), Provider: keybearer.ProviderID(in.ProviderID), Name: in.Connection}, keybearer.Credential{
		Kind: keybearer.ConnectionKind(in.Kind), Username: in.Username, SiteURL: in.SiteURL, ClientID: in.ClientID, Secret: secret.New(in.Secret),
		Scopes: in.Scopes, ExpiresAt: in.ExpiresAt,
	})
	return connection(&stored), err
}

func deleteConnection(c *call) (nothing, error) {
	return nothing{}, c.view.Disconnect(c.ctx(), keybearer.ConnectionID(c.req.PathValue("id")))
}

func connection(i *keybearer.ConnectionInfo) api.Connection {
	out := api.Connection{
		ID: string(i.ID), ConnectionID: string(i.ID), Name: i.Name, Kind: i.Kind.String(), Username: i.Username, ClientID: i.ClientID,
		ConnectionStatus: string(i.State), StatusReason: i.Reason,
		ProviderID: string(i.Provider), ProviderType: i.ProviderType, ProviderDescription: i.ProviderDescription,
		Scopes: i.Scopes, UserID: string(i.User),
		CreatedAt: i.CreatedAt, UpdatedAt: i.UpdatedAt, ConsentedAt: i.ConsentedAt, ExpiresAt: i.ExpiresAt,
		Sites: shownSites(i.Sites),
	}
	if json.Valid(i.UserInfo) {
		out.ProviderUserInfo = i.UserInfo
	}
	if out.Scopes == nil {
		out.Scopes = []string{}
	}
	return out
}

package keybearer

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/keybearer/keybearer/secret"
)

// ConnectionInfo is a connection as an operator sees it: without its grant.
type ConnectionInfo struct {
	Connection
	ProviderType, ProviderDescription string
	UserInfo                          json.RawMessage
	// Username goes with an API token, ClientID with a service account.
	Username, ClientID string
	// Sites are what is known of the sites that it reaches, or nil.
	Sites *SiteList
	// ConsentedAt is when the consent was redeemed that the grant goes back to; zero if that is not known.
	ConsentedAt time.Time
}

// Connections lists connections.
func (v *View) Connections(ctx context.Context, filter ConnectionFilter) ([]ConnectionInfo, int, error) {
	if err := v.admin("connections"); err != nil {
		return nil, 0, err
	}
	filter.Project = v.caller.Project
	page, total, err := v.b.cfg.Connections.Connections(ctx, filter)
	if err != nil {
		return nil, 0, err
	}
	infos := make([]ConnectionInfo, 0, len(page))
	for _, c := range page {
		h, err := v.b.open(&c)
		if err != nil {
			v.b.log.Error("a connection cannot be opened", "connection", c.ID, "error", err)
		}
		infos = append(infos, v.b.info(ctx, c, &h.grant))
	}
	return infos, total, nil
}

// info shows a connection with what its grant tells that is no secret.
func (b *Broker) info(ctx context.Context, c Connection, g *grant) ConnectionInfo {
	info := ConnectionInfo{Connection: c, UserInfo: g.UserInfo, Username: g.Username, Sites: b.shownSites(g), ConsentedAt: g.ConsentedAt}
	if c.Kind == ServiceAccount {
		info.ClientID = g.ClientID
	}
	if p, err := b.provider(ctx, c.Project, c.Provider); err == nil {
		info.ProviderType, info.ProviderDescription = p.Type, p.Description
	}
	info.Grant = nil
	return info
}

// Disconnect deletes a connection, and asks the provider to revoke its tokens where the definition
// says how. The connection goes even if the provider refuses. Kind: NotFound.
func (v *View) Disconnect(ctx context.Context, id ConnectionID) error {
	if err := v.admin(ActionDisconnect); err != nil {
		return err
	}
	c, err := v.b.cfg.Connections.ConnectionByID(ctx, v.caller.Project, id)
	if errors.Is(err, NotFound) {
		return Errorf(NotFound, "there is no such connection")
	}
	if err != nil {
		return err
	}
	// A refresh that goes on would bring tokens that nobody revokes.
	t, err := v.b.takeTurn(ctx, &c)
	if err != nil {
		return err
	}
	defer t.end()
	if err := v.b.storeUnsaved(ctx, id); err != nil {
		return err
	}
	for range tries {
		if c, err = v.b.cfg.Connections.ConnectionByID(ctx, c.Project, id); errors.Is(err, NotFound) {
			return Errorf(NotFound, "there is no such connection")
		}
		if err != nil {
			return err
		}
		err = v.b.cfg.Connections.DeleteConnection(ctx, c.Project, id, c.Version)
		if !errors.Is(err, Conflict) {
			break
		}
	}
	if err != nil {
		return err
	}
	v.b.unsaved.Delete(id)
	v.b.cool.worked(id)
	revoked := v.b.revoke(context.WithoutCancel(ctx), &c)
	v.record(Event{Action: ActionDisconnect, User: c.User, Provider: c.Provider, Connection: id, Reason: revoked})
	return nil
}

// revoke says for the audit what became of the tokens at the provider.
func (b *Broker) revoke(ctx context.Context, c *Connection) string {
	if c.Kind != Consented {
		return "deleted here; the " + c.Kind.noun() + " lives on at the provider until it is revoked there"
	}
	p, err := b.provider(ctx, c.Project, c.Provider)
	if err != nil || p.Definition.RevokeRequest == nil {
		return "deleted here; the provider was not asked to revoke"
	}
	h, err := b.open(c)
	if err != nil {
		return "deleted here; the tokens could not be opened for revoking"
	}
	client, err := b.client(p)
	if err != nil || !h.grant.belongsTo(client, p.Definition.RevokeRequest.Endpoint) {
		return "deleted here; the tokens belong to other settings of the provider, which were changed since the consent"
	}
	if err := client.Revoke(ctx, secret.New(h.grant.RefreshToken), secret.New(h.grant.AccessToken)); err != nil {
		b.log.Warn("the provider did not revoke", "provider", c.Provider, "error", err)
		return "deleted here; the provider did not confirm the revocation"
	}
	return "deleted here and revoked at the provider"
}

package keybearer

import (
	"context"
	"errors"
	"strings"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// ProviderDraft is what an operator writes down of a provider.
type ProviderDraft struct {
	ID          ProviderID
	ExternalID  string
	Type        string
	Description string
	Status      ProviderStatus
	ClientID    string
	// ClientSecret is empty on an update that keeps the stored one, and for a public client.
	ClientSecret secret.String
	// HasSecret tells an edit whether one is stored.
	HasSecret bool
	Settings  oauth.Definition
}

// Providers lists the file's and the stored providers, sorted by id.
func (v *View) Providers(ctx context.Context) ([]Provider, error) {
	if err := v.admin("providers"); err != nil {
		return nil, err
	}
	all, err := v.b.providers(ctx, v.caller.Project)
	return append([]Provider(nil), all...), err
}

// Provider gives one. Kind: NotFound.
func (v *View) Provider(ctx context.Context, id ProviderID) (Provider, error) {
	if err := v.admin("providers"); err != nil {
		return Provider{}, err
	}
	p, err := v.b.provider(ctx, v.caller.Project, id)
	if err != nil {
		return Provider{}, err
	}
	return *p, nil
}

// CreateProvider installs a provider. Kinds: BadRequest (all that is wrong, in one message), Conflict
// (the id or external id is taken).
func (v *View) CreateProvider(ctx context.Context, d ProviderDraft) (Provider, error) {
	if err := v.admin(ActionProviderPut); err != nil {
		return Provider{}, err
	}
	all, err := v.b.readProviders(ctx, v.caller.Project)
	if err != nil {
		return Provider{}, err
	}
	now := v.b.now()
	p := Provider{Project: v.caller.Project, Origin: FromAPI, CreatedAt: now, ExternalID: d.ExternalID}
	if p, err = v.b.drafted(p, d, all); err != nil {
		return Provider{}, err
	}
	return v.putProvider(ctx, p, 0)
}

// UpdateProvider lets edit change a draft of the stored provider, then checks and stores it.
// Kinds: NotFound, BadRequest, Conflict, PermissionDenied for the file's providers.
func (v *View) UpdateProvider(ctx context.Context, id ProviderID, edit func(*ProviderDraft) error) (Provider, error) {
	if err := v.admin(ActionProviderPut); err != nil {
		return Provider{}, err
	}
	all, err := v.b.readProviders(ctx, v.caller.Project)
	if err != nil {
		return Provider{}, err
	}
	p, err := editable(all, id)
	if err != nil {
		return Provider{}, err
	}
	d := ProviderDraft{
		ID: p.ID, ExternalID: p.ExternalID, Type: p.Type, Description: p.Description, Status: p.Status,
		ClientID: p.ClientID, HasSecret: len(p.ClientSecret) > 0, Settings: p.Settings,
	}
	if err := edit(&d); err != nil {
		return Provider{}, asKind(BadRequest, err)
	}
	before := p
	if p, err = v.b.drafted(p, d, all); err != nil {
		return Provider{}, err
	}
	if p.ID == before.ID {
		return v.putProvider(ctx, p, before.Version)
	}
	return v.renameProvider(ctx, before, p)
}

// renameProvider moves a provider that has no connections yet: grants are sealed to the id.
func (v *View) renameProvider(ctx context.Context, before, p Provider) (Provider, error) {
	_, used, err := v.b.cfg.Connections.Connections(ctx, ConnectionFilter{Project: p.Project, Provider: before.ID, Limit: 1})
	if err != nil {
		return Provider{}, err
	}
	if used > 0 {
		return Provider{}, Errorf(Conflict, "provider %s has %d connections and cannot be renamed: create another provider, or delete the connections first", before.ID, used)
	}
	if len(before.ClientSecret) > 0 && string(p.ClientSecret) == string(before.ClientSecret) {
		plain, err := v.b.cfg.Sealer.Open(before.ClientSecret, before.SecretPlace())
		if err != nil {
			return Provider{}, Errorf(Internal, "opening the client secret of provider %s: %w", before.ID, err)
		}
		if p.ClientSecret, err = v.b.cfg.Sealer.Seal(plain, p.SecretPlace()); err != nil {
			return Provider{}, Errorf(Internal, "sealing the client secret of provider %s: %w", p.ID, err)
		}
	}
	if p.ExternalID == "" {
		p.ExternalID = string(before.ID) // the redirect URI is registered at the provider: it stays
	}
	renamed, err := v.putProvider(ctx, p, 0)
	if err != nil {
		return Provider{}, err
	}
	defer v.b.shelf.clear()
	return renamed, v.b.cfg.Providers.DeleteProvider(ctx, p.Project, before.ID)
}

// DeleteProvider uninstalls a provider and gives what it was. Its connections stay stored, and work
// again when a provider of the same id, client and endpoint comes back.
// Kinds: NotFound, PermissionDenied for the file's providers.
func (v *View) DeleteProvider(ctx context.Context, id ProviderID) (Provider, error) {
	if err := v.admin(ActionProviderDelete); err != nil {
		return Provider{}, err
	}
	all, err := v.b.readProviders(ctx, v.caller.Project)
	if err != nil {
		return Provider{}, err
	}
	p, err := editable(all, id)
	if err != nil {
		return Provider{}, err
	}
	err = v.b.cfg.Providers.DeleteProvider(ctx, v.caller.Project, id)
	v.b.shelf.clear()
	v.record(Event{Action: ActionProviderDelete, Provider: id, Outcome: outcome(err), Reason: reason(err)})
	return p, err
}

func editable(all []Provider, id ProviderID) (Provider, error) {
	for _, p := range all {
		if p.ID != id {
			continue
		}
		if p.Origin == FromFile {
			return p, Errorf(PermissionDenied, "provider %s comes from engine.yaml: change it there", id)
		}
		return p, nil
	}
	return Provider{}, Errorf(NotFound, "there is no provider %q", oauth.Clean(string(id), 100))
}

func (v *View) putProvider(ctx context.Context, p Provider, ifVersion int64) (Provider, error) {
	stored, err := v.b.cfg.Providers.PutProvider(ctx, p, ifVersion)
	v.b.shelf.clear()
	v.record(Event{Action: ActionProviderPut, Provider: p.ID, Outcome: outcome(err), Reason: reason(err)})
	if errors.Is(err, Conflict) {
		return Provider{}, Errorf(Conflict, "provider %s was changed by somebody else meanwhile: read it again", p.ID)
	}
	if err != nil {
		return Provider{}, err
	}
	return v.b.installed(stored)
}

const (
	maxDescription = 1000
	maxExternalID  = 50
	maxCredential  = 1000
)

// drafted lays a draft over a provider and checks the result.
func (b *Broker) drafted(p Provider, d ProviderDraft, all []Provider) (Provider, error) {
	before := p.ID
	p.ID, p.Type, p.Description, p.ClientID, p.Settings, p.UpdatedAt = d.ID, d.Type, d.Description, d.ClientID, d.Settings, b.now()
	if p.Status = d.Status; p.Status == "" {
		p.Status = ProviderActive
	}
	if err := CheckProviderID(p.ID); err != nil {
		return p, Errorf(BadRequest, "%w", err)
	}
	switch {
	case p.Status != ProviderActive && p.Status != ProviderDisabled:
		return p, Errorf(BadRequest, "status %q is not known: use active or inactive", oauth.Clean(string(p.Status), 40))
	case len(p.Description) > maxDescription:
		return p, Errorf(BadRequest, "the description is longer than %d bytes", maxDescription)
	case p.ExternalID != "" && (len(p.ExternalID) > maxExternalID || CheckProviderID(ProviderID(strings.ToLower(p.ExternalID))) != nil):
		return p, Errorf(BadRequest, "external_id must have 1 to %d letters, digits, \"-\" and \"_\"", maxExternalID)
	case p.ClientID == "" && (p.Type == "" && !d.Settings.KeysOnly() || !d.ClientSecret.IsZero()):
		return p, Errorf(BadRequest, "oauth2.client_id is needed: only a provider of a bundled type, where nobody is to consent, or one of keys alone, can be without a client")
	case len(p.ClientID) > maxCredential || len(d.ClientSecret.Reveal()) > maxCredential:
		return p, Errorf(BadRequest, "oauth2.client_id and client_secret have at most %d bytes", maxCredential)
	}
	for _, other := range all {
		if other.ID == before {
			continue
		}
		if other.ID == p.ID || other.RedirectID() == p.RedirectID() {
			return p, Errorf(Conflict, "the id or external_id of provider %s is taken by %s: choose another", p.ID, other.ID)
		}
	}
	if !d.ClientSecret.IsZero() {
		sealed, err := b.cfg.Sealer.Seal([]byte(d.ClientSecret.Reveal()), p.SecretPlace())
		if err != nil {
			return p, Errorf(Internal, "sealing the client secret: %w", err)
		}
		p.ClientSecret = sealed
	}
	installed, err := b.installed(p)
	if err != nil {
		return p, err
	}
	var wrong []string
	for _, problem := range installed.Definition.Problems(oauth.Options{PublicClient: len(p.ClientSecret) == 0, AllowHTTP: b.cfg.AllowHTTP}) {
		if problem.Warning {
			b.log.Warn("a provider's settings work, but should be looked at", "provider", p.ID, "setting", strings.Join(problem.Path, "."), "advice", problem.Message)
		} else {
			wrong = append(wrong, strings.Join(append([]string{"oauth2"}, problem.Path...), ".")+": "+problem.Message)
		}
	}
	if len(wrong) > 0 {
		return p, Errorf(BadRequest, "provider %s: %s", p.ID, strings.Join(wrong, "; "))
	}
	return p, nil
}

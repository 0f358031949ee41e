package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

// The admin routes need a key of the scope admin; without it they are refused with PermissionDenied.

const (
	providersPath    = "/v1/admin/auth_providers"
	connectionsPath  = "/v1/admin/user_connections"
	verificationPath = "/v1/admin/settings/session_verification"
	keysPath         = "/v1/admin/api_keys"
	accountsPath     = "/v1/admin/accounts"
	sealingKeysPath  = "/v1/admin/sealing_keys"
)

// Providers lists what is installed.
func (c *Client) Providers(ctx context.Context) ([]api.Provider, error) {
	var out api.Page[api.Provider]
	err := c.do(ctx, request{op: "listing providers", method: http.MethodGet, path: providersPath, into: &out})
	return out.Items, err
}

// Provider shows one. Kind: NotFound.
func (c *Client) Provider(ctx context.Context, id keybearer.ProviderID) (api.Provider, error) {
	var out api.Provider
	err := c.do(ctx, request{op: fmt.Sprintf("reading provider %s", id), method: http.MethodGet, path: providersPath + "/" + segment(string(id)), into: &out})
	return out, err
}

// CreateProvider installs one. Kinds: BadRequest, Conflict.
func (c *Client) CreateProvider(ctx context.Context, p api.ProviderCreate) (api.Provider, error) {
	var out api.Provider
	err := c.do(ctx, request{op: fmt.Sprintf("creating provider %s", p.ID), method: http.MethodPost, path: providersPath, body: p, into: &out})
	return out, err
}

// UpdateProvider changes what the patch has. Kinds: BadRequest, NotFound, Conflict, PermissionDenied.
func (c *Client) UpdateProvider(ctx context.Context, id keybearer.ProviderID, p api.ProviderPatch) (api.Provider, error) {
	var out api.Provider
	err := c.do(ctx, request{op: fmt.Sprintf("changing provider %s", id), method: http.MethodPatch, path: providersPath + "/" + segment(string(id)), body: p, into: &out})
	return out, err
}

// DeleteProvider uninstalls one and gives what it was. Kinds: NotFound, PermissionDenied.
func (c *Client) DeleteProvider(ctx context.Context, id keybearer.ProviderID) (api.Provider, error) {
	var out api.Provider
	err := c.do(ctx, request{op: fmt.Sprintf("deleting provider %s", id), method: http.MethodDelete, path: providersPath + "/" + segment(string(id)), into: &out})
	return out, err
}

// Connections gives one page of the connections that fit the filter, of at most 100, and counts all.
func (c *Client) Connections(ctx context.Context, f keybearer.ConnectionFilter) (api.Page[api.Connection], error) {
	q := url.Values{}
	for name, value := range map[string]string{"provider_id": string(f.Provider), "user_id": string(f.User)} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, value := range map[string]int{"limit": f.Limit, "offset": f.Offset} {
		if value != 0 {
			q.Set(name, strconv.Itoa(value))
		}
	}
	var out api.Page[api.Connection]
	err := c.do(ctx, request{op: "listing connections", method: http.MethodGet, path: connectionsPath, query: q, into: &out})
	return out, err
}

// PutConnection stores a credential as a user's connection, in place of the one that is there.
// Kinds: those of [keybearer.View.PutConnection].
func (c *Client) PutConnection(ctx context.Context, ref keybearer.Ref, given keybearer.Credential) (api.Connection, error) {
	var out api.Connection
	err := c.do(ctx, request{
		op: fmt.Sprintf("storing the connection of %s", ref), method: http.MethodPost, path: connectionsPath, into: &out,
		body: api.ConnectionCreate{
			UserID: string(ref.User), ProviderID: string(ref.Provider), Connection: ref.Name, Kind: string(given.Kind), Username: given.Username, SiteURL: given.SiteURL, ClientID: given.ClientID,
			Secret: given.Secret.Reveal(), Scopes: given.Scopes, ExpiresAt: given.ExpiresAt,
		},
	})
	return out, err
}

// Disconnect deletes a connection. Kind: NotFound.
func (c *Client) Disconnect(ctx context.Context, id keybearer.ConnectionID) error {
	return c.do(ctx, request{op: fmt.Sprintf("deleting %s", id), method: http.MethodDelete, path: connectionsPath + "/" + segment(string(id))})
}

// Verification tells how it is proved who consented.
func (c *Client) Verification(ctx context.Context) (api.SessionVerification, error) {
	var out api.SessionVerification
	err := c.do(ctx, request{op: "reading how users are verified", method: http.MethodGet, path: verificationPath, into: &out})
	return out, err
}

// SetVerification changes it. Kinds: BadRequest, PermissionDenied.
func (c *Client) SetVerification(ctx context.Context, v keybearer.Verification) (api.SessionVerification, error) {
	in := api.SessionVerificationUpdate{UnsafeSkipVerification: v.UnsafeSkip}
	if v.VerifierURL != "" {
		in.VerifierURL = &v.VerifierURL
	}
	var out api.SessionVerification
	err := c.do(ctx, request{op: "setting how users are verified", method: http.MethodPut, path: verificationPath, body: in, into: &out})
	return out, err
}

// Keys lists the API keys, revoked ones too.
func (c *Client) Keys(ctx context.Context) ([]api.Key, error) {
	var out api.Page[api.Key]
	err := c.do(ctx, request{op: "listing API keys", method: http.MethodGet, path: keysPath, into: &out})
	return out.Items, err
}

// CreateKey makes an API key. Its text is given here and never again. Kind: BadRequest.
func (c *Client) CreateKey(ctx context.Context, k api.KeyCreate) (api.Key, secret.String, error) {
	var out api.NewKey
	err := c.do(ctx, request{op: fmt.Sprintf("creating the API key %s", k.Name), method: http.MethodPost, path: keysPath, body: k, into: &out})
	return out.Key, secret.New(out.Text), err
}

// RevokeKey ends a key. Kind: NotFound.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.do(ctx, request{op: fmt.Sprintf("revoking the API key %s", id), method: http.MethodDelete, path: keysPath + "/" + segment(id)})
}

// Accounts lists the people who can sign in.
func (c *Client) Accounts(ctx context.Context) ([]api.Account, error) {
	var out api.Page[api.Account]
	err := c.do(ctx, request{op: "listing accounts", method: http.MethodGet, path: accountsPath, into: &out})
	return out.Items, err
}

// PutAccount makes an account, or replaces it. Kind: BadRequest.
func (c *Client) PutAccount(ctx context.Context, user keybearer.UserID, password secret.String, admin bool) (api.Account, error) {
	var out api.Account
	err := c.do(ctx, request{
		op: fmt.Sprintf("storing the account of %s", user), method: http.MethodPut, path: accountsPath + "/" + segment(string(user)), into: &out,
		body: api.AccountPut{Password: password.Reveal(), Admin: admin},
	})
	return out, err
}

// DeleteAccount ends an account and its sessions. Kind: NotFound.
func (c *Client) DeleteAccount(ctx context.Context, user keybearer.UserID) error {
	return c.do(ctx, request{op: fmt.Sprintf("deleting the account of %s", user), method: http.MethodDelete, path: accountsPath + "/" + segment(string(user))})
}

// SealingKeys lists the keys that seal what is stored, root keys first, and counts what is sealed with each.
func (c *Client) SealingKeys(ctx context.Context) ([]api.SealingKey, error) {
	var out api.Page[api.SealingKey]
	err := c.do(ctx, request{op: "listing the sealing keys", method: http.MethodGet, path: sealingKeysPath, into: &out})
	return out.Items, err
}

// RotateKeys makes a new data key and gives it. What is stored is sealed anew in the background.
func (c *Client) RotateKeys(ctx context.Context) (api.SealingKey, error) {
	var out api.SealingKey
	err := c.do(ctx, request{op: "rotating the data key", method: http.MethodPost, path: sealingKeysPath, into: &out})
	return out, err
}

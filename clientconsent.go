package keybearer

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/keybearer/keybearer/secret"
)

const (
	clientCodeLife = time.Minute
	mcpPath        = "/mcp"
	codePrefix     = "kbc_"
	accessPrefix   = "kba_"
	refreshPrefix  = "kbr_"
)

// ClientRequest is a client's authorization request: RFC 6749 section 4.1.1, with PKCE (RFC 7636) and the resource that
// the tokens are to be for (RFC 8707).
type ClientRequest struct {
	ResponseType, Client, RedirectURI, State string
	Challenge, ChallengeMethod               string
	// Resource, where empty, is the address of the default gateway: older clients name none.
	Resource string
}

// CheckClientRequest finds the client of a request, and completes the request. Errors are *ClientError; only one with Redirect may
// go to the redirect URI.
func (b *Broker) CheckClientRequest(ctx context.Context, r *ClientRequest) (RegisteredClient, error) {
	c, err := b.cfg.Clients.RegisteredClient(ctx, DefaultProject, r.Client)
	switch {
	case errors.Is(err, NotFound):
		return RegisteredClient{}, &ClientError{Code: "invalid_client", Description: "the client is not registered here (any more): remove the server from it, and add it again"}
	case err != nil:
		return RegisteredClient{}, err
	}
	if r.RedirectURI == "" && len(c.RedirectURIs) == 1 {
		r.RedirectURI = c.RedirectURIs[0]
	}
	if !c.redirectsTo(r.RedirectURI) {
		return RegisteredClient{}, &ClientError{Code: "invalid_request", Description: "the redirect URI is none that the client registered"}
	}
	wrong := func(code, description string) (RegisteredClient, error) {
		return c, &ClientError{Code: code, Description: description, Redirect: true}
	}
	switch challenge, err := base64.RawURLEncoding.DecodeString(r.Challenge); {
	case r.ResponseType != "code":
		return wrong("unsupported_response_type", "response_type must be code")
	case r.ChallengeMethod != "S256" || err != nil || len(challenge) != 32:
		return wrong("invalid_request", "PKCE with code_challenge_method S256 is needed")
	case len(r.State) > maxClientState:
		return wrong("invalid_request", "the state is longer than 2000 bytes")
	}
	if r.Resource == "" {
		r.Resource = b.cfg.PublicURL + mcpPath
	}
	if !b.ownResource(r.Resource) {
		return wrong("invalid_target", "the resource is no MCP address of this engine")
	}
	return c, nil
}

// ownResource reports whether a resource is the default gateway's address or one below it.
func (b *Broker) ownResource(resource string) bool {
	rest, ok := strings.CutPrefix(resource, b.cfg.PublicURL+mcpPath)
	if !ok || rest == "" {
		return ok
	}
	id, below := strings.CutPrefix(rest, "/")
	return below && providerIDPattern.MatchString(id)
}

// AllowClient gives a client a code for what a person who is signed in has allowed. The request must have been checked.
func (b *Broker) AllowClient(ctx context.Context, r ClientRequest, user UserID) (secret.String, error) {
	c, err := b.CheckClientRequest(ctx, &r)
	if err != nil {
		return secret.String{}, err
	}
	code, now := randomSecret(), b.now()
	g := ClientGrant{
		Project: DefaultProject, ID: randomID(""), Client: r.Client, User: user, Resource: r.Resource, RedirectURI: r.RedirectURI, Challenge: r.Challenge,
		CodeHash: hashOf(code), CodeExpires: now.Add(clientCodeLife), CreatedAt: now, ExpiresAt: now.Add(clientGrantLife),
	}
	_, err = b.cfg.ClientGrants.PutClientGrant(ctx, g, 0)
	b.record(Event{Actor: "user:" + string(user), Action: ActionClientAllow, User: user, Outcome: outcome(err), Reason: c.Name + " (" + c.ID + ") at " + r.Resource})
	return clientToken(codePrefix, g.ID, code), err
}

// RefuseClient writes down that a person did not let a client in.
func (b *Broker) RefuseClient(r ClientRequest, user UserID) {
	b.record(Event{Actor: "user:" + string(user), Action: ActionClientAllow, User: user, Outcome: string(PermissionDenied), Reason: r.Client + " at " + r.Resource})
}

// Answer is where the browser takes the answer to a request: a code, or an error. The issuer goes with it (RFC 9207).
func (r *ClientRequest) Answer(issuer string, code secret.String, refused *ClientError) string {
	u, err := url.Parse(r.RedirectURI)
	if err != nil {
		return ""
	}
	q := u.Query()
	if refused != nil {
		q.Set("error", refused.Code)
		q.Set("error_description", refused.Description)
	} else {
		q.Set("code", code.Reveal())
	}
	if r.State != "" {
		q.Set("state", r.State)
	}
	q.Set("iss", issuer)
	u.RawQuery = q.Encode()
	return u.String()
}

// Issuer is the engine's name as an authorization server (RFC 8414).
func (b *Broker) Issuer() string { return b.cfg.PublicURL }

// clientToken is what a client holds: the grant's id, and a secret.
func clientToken(prefix, id string, text secret.String) secret.String {
	return secret.New(prefix + id + "." + text.Reveal())
}

// readClientToken takes it apart.
func readClientToken(prefix string, token secret.String) (id string, text secret.String, ok bool) {
	rest, ok := strings.CutPrefix(token.Reveal(), prefix)
	if !ok {
		return "", secret.String{}, false
	}
	id, secretText, ok := strings.Cut(rest, ".")
	return id, secret.New(secretText), ok && id != "" && len(rest) < 300
}

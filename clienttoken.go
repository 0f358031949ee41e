package keybearer

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/keybearer/keybearer/secret"
)

const (
	clientAccessLife = time.Hour
	// clientGrantLife is how long a grant lives that nobody uses.
	clientGrantLife = 30 * 24 * time.Hour
	// clientGrace is for how long a refresh token that was replaced still works: the answer with the new one may have
	// been lost. Later it is taken for stolen, and the grant ends (RFC 9700 section 4.14.2).
	clientGrace = 30 * time.Second
)

// ClientTokens are what a client gets.
type ClientTokens struct {
	Access, Refresh secret.String
	ExpiresIn       time.Duration
}

// RedeemClientCode gives tokens for a code, once: a code that comes again ends what it gave (RFC 6749 section 4.1.2).
// Errors are *ClientError.
func (b *Broker) RedeemClientCode(ctx context.Context, client, redirectURI, resource string, code, verifier secret.String) (ClientTokens, error) {
	g, given, err := b.clientGrant(ctx, codePrefix, code)
	if err != nil {
		return ClientTokens{}, err
	}
	switch sum := sha256.Sum256([]byte(verifier.Reveal())); {
	case subtle.ConstantTimeCompare(hashOf(given), g.CodeHash) != 1:
		return ClientTokens{}, invalidGrant("the code is none that was given")
	case g.CodeExpires.IsZero():
		return ClientTokens{}, b.endClientGrant(ctx, g, "its code came a second time", invalidGrant("the code was used before"))
	case client != g.Client || redirectURI != g.RedirectURI || resource != "" && resource != g.Resource:
		return ClientTokens{}, b.endClientGrant(ctx, g, "its code came with another client, redirect URI or resource", invalidGrant("the code was given for another client, redirect URI or resource"))
	case base64.RawURLEncoding.EncodeToString(sum[:]) != g.Challenge:
		return ClientTokens{}, b.endClientGrant(ctx, g, "its code came with a wrong verifier", invalidGrant("the code_verifier does not belong to the code"))
	case !b.now().Before(g.CodeExpires):
		return ClientTokens{}, invalidGrant("the code is older than a minute")
	}
	g.CodeExpires = time.Time{}
	return b.rotateClient(ctx, g)
}

// RefreshClient gives new tokens for a refresh token, which is replaced. Errors are *ClientError.
func (b *Broker) RefreshClient(ctx context.Context, client, resource string, refresh secret.String) (ClientTokens, error) {
	g, given, err := b.clientGrant(ctx, refreshPrefix, refresh)
	if err != nil {
		return ClientTokens{}, err
	}
	hash := hashOf(given)
	current := len(g.RefreshHash) > 0 && subtle.ConstantTimeCompare(hash, g.RefreshHash) == 1
	replaced := len(g.PreviousHash) > 0 && subtle.ConstantTimeCompare(hash, g.PreviousHash) == 1
	switch {
	case client != g.Client || resource != "" && resource != g.Resource:
		return ClientTokens{}, invalidGrant("the refresh token was given to another client, or for another resource")
	case current:
	case replaced && b.now().Before(g.RotatedAt.Add(clientGrace)):
	default: // it is the grant's, by its id, and was replaced: whoever has it got it before
		return ClientTokens{}, b.endClientGrant(ctx, g, "a refresh token came that was replaced", invalidGrant("the refresh token was replaced: sign in again"))
	}
	return b.rotateClient(ctx, g)
}

// rotateClient makes new tokens, which of several at once one can.
func (b *Broker) rotateClient(ctx context.Context, g ClientGrant) (ClientTokens, error) {
	if err := b.stillLetIn(ctx, g); errors.Is(err, Unauthenticated) {
		return ClientTokens{}, b.endClientGrant(ctx, g, err.Error(), invalidGrant(err.Error()))
	} else if err != nil {
		return ClientTokens{}, err
	}
	access, refresh, now := randomSecret(), randomSecret(), b.now()
	g.PreviousHash, g.RotatedAt = g.RefreshHash, now
	g.AccessHash, g.AccessExpires, g.RefreshHash, g.ExpiresAt = hashOf(access), now.Add(clientAccessLife), hashOf(refresh), now.Add(clientGrantLife)
	_, err := b.cfg.ClientGrants.PutClientGrant(ctx, g, g.Version)
	if errors.Is(err, Conflict) {
		return ClientTokens{}, invalidGrant("it was used at the same time by somebody else: sign in again")
	}
	if err != nil {
		return ClientTokens{}, err
	}
	return ClientTokens{
		Access: clientToken(accessPrefix, g.ID, access), Refresh: clientToken(refreshPrefix, g.ID, refresh), ExpiresIn: clientAccessLife,
	}, nil
}

// EndClient ends the grant that an access or refresh token of the client belongs to (RFC 7009). A token that is none is no error.
func (b *Broker) EndClient(ctx context.Context, client string, token secret.String) error {
	for _, prefix := range []string{accessPrefix, refreshPrefix} {
		g, given, err := b.clientGrant(ctx, prefix, token)
		if _, refused := errors.AsType[*ClientError](err); refused {
			continue
		}
		if err != nil {
			return err
		}
		hash := hashOf(given)
		if g.Client == client && (subtle.ConstantTimeCompare(hash, g.AccessHash) == 1 || subtle.ConstantTimeCompare(hash, g.RefreshHash) == 1) {
			return b.endClientGrant(ctx, g, "the client signed out", nil)
		}
	}
	return nil
}

// ClientCaller tells for whom an access token speaks at a resource, and with which rights: the person's own, as a user, and nothing
// else. ok is false for what is no such token at all, as an API key. Kind: Unauthenticated.
func (b *Broker) ClientCaller(ctx context.Context, token secret.String, resource string) (c Caller, user UserID, ok bool, err error) {
	if !strings.HasPrefix(token.Reveal(), accessPrefix) {
		return Caller{}, "", false, nil
	}
	g, given, err := b.clientGrant(ctx, accessPrefix, token)
	if _, refused := errors.AsType[*ClientError](err); refused {
		return Caller{}, "", true, Errorf(Unauthenticated, "this access token is not valid: sign in again")
	}
	switch {
	case err != nil:
		return Caller{}, "", true, err
	case subtle.ConstantTimeCompare(hashOf(given), g.AccessHash) != 1 || !b.now().Before(g.AccessExpires):
		return Caller{}, "", true, Errorf(Unauthenticated, "this access token is over: refresh it")
	case g.Resource != resource:
		return Caller{}, "", true, Errorf(Unauthenticated, "this access token is for %s", g.Resource)
	}
	if err := b.stillLetIn(ctx, g); err != nil {
		return Caller{}, "", true, err
	}
	return Caller{Project: g.Project, Name: "user:" + string(g.User), Users: literal(string(g.User))}, g.User, true, nil
}

// stillLetIn refuses a grant whose person has no account any more, or has another one, or another password, since he gave it:
// what ends his sessions ends it, too. Kind: Unauthenticated.
func (b *Broker) stillLetIn(ctx context.Context, g ClientGrant) error {
	a, err := b.cfg.Accounts.Account(ctx, g.Project, g.User)
	switch {
	case errors.Is(err, NotFound):
		return Errorf(Unauthenticated, "the account that let this client in is gone")
	case err == nil && g.CreatedAt.Before(a.CreatedAt):
		return Errorf(Unauthenticated, "the password was changed since this client was let in: sign in again")
	}
	return err
}

// literal is a pattern of path.Match that fits one text.
func literal(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(text)
}

// clientGrant finds the living grant of a code or token.
func (b *Broker) clientGrant(ctx context.Context, prefix string, token secret.String) (ClientGrant, secret.String, error) {
	id, given, ok := readClientToken(prefix, token)
	if !ok {
		return ClientGrant{}, secret.String{}, invalidGrant("it is none of this engine's")
	}
	g, err := b.cfg.ClientGrants.ClientGrant(ctx, DefaultProject, id)
	if errors.Is(err, NotFound) || err == nil && !b.now().Before(g.ExpiresAt) {
		return ClientGrant{}, secret.String{}, invalidGrant("it has ended: sign in again")
	}
	return g, given, err
}

func (b *Broker) endClientGrant(ctx context.Context, g ClientGrant, why string, refusal error) error {
	err := b.cfg.ClientGrants.DeleteClientGrant(ctx, g.Project, g.ID)
	b.record(Event{Actor: "client:" + g.Client, Action: ActionClientEnd, User: g.User, Outcome: outcome(err), Reason: why})
	if err != nil && !errors.Is(err, NotFound) {
		return err
	}
	return refusal
}

func invalidGrant(description string) error {
	return &ClientError{Code: "invalid_grant", Description: description}
}

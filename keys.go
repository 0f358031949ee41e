package keybearer

import (
	"context"
	"crypto/rand"
	"errors"
	"path"
	"sync"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// KeyPrefix begins every API key: the published clients and secret scanners know it.
const KeyPrefix = "arc_"

const maxKeyProviders = 1000

// KeyDraft describes an API key to make.
type KeyDraft struct {
	// Name is for people and the audit: 1 to 100 characters.
	Name string
	// Scope is ScopeApp (default) or ScopeAdmin.
	Scope string
	// Providers and Users limit the key; see [Caller]. A key with the scope admin has no limits.
	Providers []ProviderID
	Users     string
}

// CreateKey makes an API key. Its text is given here and never again. Kind: BadRequest.
func (v *View) CreateKey(ctx context.Context, d KeyDraft) (Key, secret.String, error) {
	if err := v.admin(ActionKeyCreate); err != nil {
		return Key{}, secret.String{}, err
	}
	text := secret.New(KeyPrefix + rand.Text() + rand.Text())
	k, err := v.b.PutKey(ctx, v.caller.Project, d, text)
	v.record(Event{Action: ActionKeyCreate, Outcome: outcome(err), Reason: oauth.Clean(d.Name, 100)})
	if err != nil {
		return Key{}, secret.String{}, err
	}
	return k, text, nil
}

// PutKey stores an API key whose text is given: how an engine gets its first one. Storing the same
// text again changes nothing, and gives the key as it is: it may have been revoked.
func (b *Broker) PutKey(ctx context.Context, project ProjectID, d KeyDraft, text secret.String) (Key, error) {
	if d.Scope == "" {
		d.Scope = ScopeApp
	}
	_, badPattern := path.Match(d.Users, "")
	switch {
	case d.Name == "" || len(d.Name) > 100 || oauth.Clean(d.Name, 100) != d.Name:
		return Key{}, Errorf(BadRequest, "a key needs a name of 1 to 100 printable characters")
	case d.Scope != ScopeApp && d.Scope != ScopeAdmin:
		return Key{}, Errorf(BadRequest, "scope %q is not known: use %s or %s", oauth.Clean(d.Scope, 40), ScopeApp, ScopeAdmin)
	case d.Scope == ScopeAdmin && (len(d.Providers) > 0 || d.Users != ""):
		return Key{}, Errorf(BadRequest, "a key with the scope %s cannot be limited, since it manages keys, accounts and providers: use the scope %s", ScopeAdmin, ScopeApp)
	case len(d.Providers) > maxKeyProviders:
		return Key{}, Errorf(BadRequest, "a key can be limited to %d providers at most: leave providers out to permit all", maxKeyProviders)
	case badPattern != nil || len(d.Users) > maxUserID:
		return Key{}, Errorf(BadRequest, "users is not a pattern: use * and ?, like *@example.com")
	case len(text.Reveal()) < 16 || len(text.Reveal()) > 500:
		return Key{}, Errorf(BadRequest, "an API key must have 16 to 500 characters")
	}
	for _, id := range d.Providers {
		if err := CheckProviderID(id); err != nil {
			return Key{}, Errorf(BadRequest, "%w", err)
		}
	}
	if known, err := b.cfg.Keys.KeyByHash(ctx, hashOf(text)); err == nil {
		return known, nil
	} else if !errors.Is(err, NotFound) {
		return Key{}, err
	}
	raw := text.Reveal()
	k := Key{
		ID: randomID("key_"), Project: project, Name: d.Name, Hash: hashOf(text), Hint: raw[len(raw)-4:],
		Scope: d.Scope, Providers: d.Providers, Users: d.Users, CreatedAt: b.now(),
	}
	return k, b.cfg.Keys.PutKey(ctx, k)
}

// Keys lists the API keys, revoked ones too; their texts are not kept.
func (v *View) Keys(ctx context.Context) ([]Key, error) {
	if err := v.admin("keys"); err != nil {
		return nil, err
	}
	return v.b.cfg.Keys.Keys(ctx, v.caller.Project)
}

// RevokeKey ends a key: at once in this process, within Config.KeyLife in others. Kind: NotFound.
func (v *View) RevokeKey(ctx context.Context, id string) error {
	if err := v.admin(ActionKeyRevoke); err != nil {
		return err
	}
	keys, err := v.b.cfg.Keys.Keys(ctx, v.caller.Project)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.ID != id {
			continue
		}
		if k.RevokedAt.IsZero() {
			k.RevokedAt = v.b.now()
			err = v.b.cfg.Keys.PutKey(ctx, k)
			v.b.keys.clear()
		}
		v.record(Event{Action: ActionKeyRevoke, Outcome: outcome(err), Reason: k.Name})
		return err
	}
	return Errorf(NotFound, "there is no such API key")
}

// Authenticate tells who an API key belongs to. Kind: Unauthenticated.
func (b *Broker) Authenticate(ctx context.Context, key secret.String) (Caller, error) {
	hash := hashOf(key)
	now := time.Now() // not the broker's clock, which tests move
	c, ok, seen := b.keys.get([32]byte(hash), now)
	if ok {
		return c, nil
	}
	k, err := b.cfg.Keys.KeyByHash(ctx, hash)
	switch {
	case errors.Is(err, NotFound) || err == nil && !k.RevokedAt.IsZero():
		why := "unknown key"
		if err == nil {
			why = "the key " + k.Name + " was revoked"
		}
		b.record(Event{Actor: "unknown", Action: ActionKeyRefused, Outcome: string(Unauthenticated), Reason: why})
		return Caller{}, Errorf(Unauthenticated, "this API key is not valid: check it, or create one with: keybearer apikey create")
	case err != nil:
		return Caller{}, err
	}
	c = k.Caller()
	b.keys.put([32]byte(hash), c, now.Add(b.cfg.KeyLife), seen)
	return c, nil
}

// keyCache remembers valid keys for a moment. Unknown ones are not remembered, so that a flood of
// them cannot grow it.
type keyCache struct {
	mu    sync.RWMutex
	known map[[32]byte]cachedKey
	// cleared counts the calls of clear: what was read before one of them may be revoked.
	cleared uint64
}

type cachedKey struct {
	caller Caller
	until  time.Time
}

const maxCachedKeys = 10_000

// get tells who has the key, if that is known, and what put wants to hear after a look into the store.
func (c *keyCache) get(hash [32]byte, now time.Time) (who Caller, ok bool, seen uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.known[hash]
	return k.caller, ok && now.Before(k.until), c.cleared
}

func (c *keyCache) put(hash [32]byte, caller Caller, until time.Time, seen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cleared != seen {
		return
	}
	if c.known == nil || len(c.known) >= maxCachedKeys {
		c.known = map[[32]byte]cachedKey{}
	}
	c.known[hash] = cachedKey{caller, until}
}

func (c *keyCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = nil
	c.cleared++
}

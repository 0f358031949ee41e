package keybearer

import (
	"bytes"
	"context"
	"errors"

	"github.com/keybearer/keybearer/seal"
)

const resealPage = 200

// Reseal seals anew, with the key of that id, which must be the Sealer's default, what stores hold
// under other keys: grants of connections and client secrets of providers. It counts what it changed.
//
// It works row by row while everything else goes on, never holds anything up, and may be stopped
// anywhere: what is done is done, and the rest is found by the next call. Rows that are created or
// deleted meanwhile may make it miss others; call it until it counts 0. What waits in flows and
// attempts is not touched, and gone within Config.FlowLife. A value that does not open is logged,
// left as it is, and is part of left.
func (b *Broker) Reseal(ctx context.Context, project ProjectID, key string) (done, left int, err error) {
	providers, err := b.cfg.Providers.Providers(ctx, project)
	if err != nil {
		return 0, 0, err
	}
	for _, p := range providers {
		sealed, changed := b.resealed(p.ClientSecret, p.SecretPlace(), key, &left)
		if !changed {
			continue
		}
		p.ClientSecret = sealed
		if _, err := b.cfg.Providers.PutProvider(ctx, p, p.Version); err == nil {
			done++
		} else if !errors.Is(err, Conflict) {
			return done, left, err
		}
	}
	b.shelf.clear()
	for offset := 0; ; offset += resealPage {
		page, _, err := b.cfg.Connections.Connections(ctx, ConnectionFilter{Project: project, Limit: resealPage, Offset: offset})
		if err != nil {
			return done, left, err
		}
		for _, c := range page {
			sealed, changed := b.resealed(c.Grant, c.GrantPlace(), key, &left)
			if !changed {
				continue
			}
			c.Grant = sealed
			_, err := b.cfg.Connections.PutConnection(ctx, c, c.Version)
			switch {
			case err == nil, errors.Is(err, Conflict): // whoever wrote it meanwhile used the default key
				done++
			case !errors.Is(err, NotFound):
				return done, left, err
			}
		}
		if len(page) < resealPage {
			return done, left, ctx.Err()
		}
	}
}

// resealed gives the value under the wanted key, and whether it is another one than before.
func (b *Broker) resealed(v seal.Value, place []byte, key string, left *int) (seal.Value, bool) {
	if len(v) == 0 {
		return v, false
	}
	if id, err := v.KeyID(); err == nil && id == key {
		return v, false
	}
	plain, err := b.cfg.Sealer.Open(v, place)
	if err == nil {
		var sealed seal.Value
		if sealed, err = b.cfg.Sealer.Seal(plain, place); err == nil {
			return sealed, !bytes.Equal(sealed, v)
		}
	}
	*left++
	b.log.Error("a value could not be sealed anew and is left as it is", "error", err)
	return v, false
}

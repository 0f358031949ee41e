package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/datakey"
)

// KeyStore is what a database keeps about keys.
type KeyStore = datakey.Store

// OpenKeyring is what an engine does about keys at its start.
func OpenKeyring(ctx context.Context, cfg *config.Config, s KeyStore, log *slog.Logger, now func() time.Time) (keybearer.Rotator, error) {
	k, err := openKeys(ctx, cfg, s, log, now)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// KeyCheck is what an engine from before there were data keys stored of a root key.
func KeyCheck(sealer keybearer.Sealer, id string) ([]byte, error) {
	return datakey.SealCheck(sealer, id)
}

// Address is where the engine listens.
func (e *Engine) Address() string { return e.listener.Addr().String() }

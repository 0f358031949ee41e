package engine

import (
	"context"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// OpenKeys goes when the keys have a file of their own.
func OpenKeys(ctx context.Context, cfg *config.Config, db *sqlstore.DB) (keybearer.Sealer, error) {
	ring, _, err := rootKeys(ctx, cfg, db)
	return ring, err
}

package engine

import (
	"context"
	"errors"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// Migrated is what a migration came to.
type Migrated struct {
	sqlstore.Contents
	Verified
	// To names the database that is used from now on, without a password.
	To string
}

// Migrate carries everything in a SQLite file into the empty database of a configuration, and marks
// the file, so that no engine runs on it again; see [sqlstore.DB.Move]. No engine may run on it.
// Nothing is written unless the configuration has the file's root keys.
func Migrate(ctx context.Context, cfg *config.Config, from string, now time.Time) (_ Migrated, err error) {
	var done Migrated
	source, err := sqlstore.OpenToMove(ctx, sqlstore.Config{Path: from})
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if done.Verified, err = verify(ctx, cfg, source); err != nil {
		return done, err
	}
	target, err := openDatabase(ctx, cfg, false)
	if err != nil {
		return done, err
	}
	done.To = target.Name()
	done.Contents, err = target.Move(ctx, source, done.To, operators(keybearer.ActionMove, now, "from "+from))
	return done, errors.Join(err, target.Close())
}

// TakeBack lets engines run again on a SQLite file that was moved; see [sqlstore.DB.TakeBack].
func TakeBack(ctx context.Context, path string, now time.Time) (doubtful int64, err error) {
	db, err := sqlstore.OpenToMove(ctx, sqlstore.Config{Path: path})
	if err != nil {
		return 0, err
	}
	doubtful, err = db.TakeBack(ctx, operators(keybearer.ActionMove, now, "taken back"))
	return doubtful, errors.Join(err, db.Close())
}

package sqlstore

import (
	"context"
	"time"

	"github.com/keybearer/keybearer"
)

// Clock gives the time of the database, which is the same for all engines that share it.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := db.points.row(ctx, "SELECT "+db.dialect.now).Scan(timeColumn{&now}); err != nil {
		return time.Time{}, db.failure("asking the database for the time", err)
	}
	return now, nil
}

// DataVersion is a number that is another one after anybody else has written to the file: another process, or
// another DB of this one. It costs some microseconds. A server has no such number: NotImplemented.
func (db *DB) DataVersion(ctx context.Context) (version int64, err error) {
	if db.server != nil {
		return 0, keybearer.Errorf(keybearer.NotImplemented, "a server does not tell whether its data have changed: listen to it")
	}
	// It is asked on the one connection that writes: each has a number of its own, which its own writes
	// do not change (sqlite.org/pragma.html#pragma_data_version).
	err = db.write.row(ctx, "PRAGMA data_version").Scan(&version)
	return version, db.failure("asking whether the database has changed", err)
}

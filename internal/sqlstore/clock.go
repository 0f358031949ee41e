package sqlstore

import (
	"context"
	"time"
)

// Clock gives the time of the database, which is the same for all engines that share it.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := db.points.row(ctx, "SELECT "+db.dialect.now).Scan(timeColumn{&now}); err != nil {
		return time.Time{}, db.failure("asking the database for the time", err)
	}
	return now, nil
}

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/keybearer/keybearer"
)

const (
	settingOf = `SELECT value FROM settings WHERE project = $1 AND name = $2`

	settingPut = `INSERT INTO settings (project, name, value) VALUES ($1, $2, $3)
		ON CONFLICT (project, name) DO UPDATE SET value = excluded.value`
)

// Setting implements [keybearer.SettingStore].
func (db *DB) Setting(ctx context.Context, project keybearer.ProjectID, name string) ([]byte, error) {
	var value string
	err := db.points.row(ctx, settingOf, project, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, keybearer.Errorf(keybearer.NotFound, "no setting %q", name)
	}
	if err != nil {
		return nil, db.failure(fmt.Sprintf("reading the setting %q", name), err)
	}
	return []byte(value), nil
}

// PutSetting implements [keybearer.SettingStore].
func (db *DB) PutSetting(ctx context.Context, project keybearer.ProjectID, name string, value []byte) error {
	_, err := db.write.exec(ctx, settingPut, project, name, string(value))
	return db.failure(fmt.Sprintf("storing the setting %q", name), err)
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

const rootKey = "a root key for measuring, which protects nothing"

func user(n int) keybearer.UserID { return keybearer.UserID(fmt.Sprintf("user-%07d@example.com", n)) }

// fill makes a data folder with so many stored connections, each with a sealed token that lives long.
func fill(ctx context.Context, dir string, connections int) (err error) {
	path := filepath.Join(dir, "keybearer.sqlite3")
	store, err := sqlstore.Open(ctx, sqlstore.Config{Path: path})
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "root.key"), []byte(rootKey), 0o600); err != nil {
		return err
	}
	ring, err := seal.NewKeyring(seal.Key{ID: "generated", Secret: secret.New(rootKey)})
	if err != nil {
		return err
	}
	// One transaction for all rows: a million writes of one row each would measure the disk.
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO connections (project, id, user_id, provider, name, state, reason, scopes,
		sealed_grant, issued_at, expires_at, refreshable, created_at, updated_at, version)
		VALUES ($1, $2, $3, $4, '', 'active', '', '["read","write"]', $5, $6, $7, TRUE, $6, $6, 1)`)
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	now := time.Now()
	plain := fmt.Appendf(nil, `{"access_token":%q,"refresh_token":%q,"token_type":"Bearer","user_info":{"sub":"1","name":"A Person"},`+
		`"client_id":"client","token_endpoint":"https://hooli.example/token"}`, filler(1200), filler(200))
	for n := range connections {
		c := keybearer.Connection{
			ID:  keybearer.ConnectionID(fmt.Sprintf("conn_%026d", n)),
			Ref: keybearer.Ref{Project: keybearer.DefaultProject, User: user(n), Provider: "hooli"},
		}
		sealed, err := ring.Seal(plain, c.GrantPlace())
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if _, err := insert.ExecContext(ctx, c.Project, c.ID, c.User, c.Provider, []byte(sealed), now.UnixMicro(), now.Add(24*time.Hour).UnixMicro()); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// filler stands for a token of that length.
func filler(length int) string {
	text := make([]byte, length)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz012345"[i*7%32]
	}
	return string(text)
}

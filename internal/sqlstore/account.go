package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/keybearer/keybearer"
)

const (
	accountColumns = `project, user_id, password_hash, admin, created_at`

	accountOf = `SELECT ` + accountColumns + ` FROM accounts WHERE project = $1 AND user_id = $2`

	accountsOf = `SELECT ` + accountColumns + ` FROM accounts WHERE project = $1 ORDER BY user_id`

	accountPut = `INSERT INTO accounts (` + accountColumns + `) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (project, user_id) DO UPDATE SET password_hash = excluded.password_hash, admin = excluded.admin,
		created_at = excluded.created_at`

	accountDelete = `DELETE FROM accounts WHERE project = $1 AND user_id = $2`

	accountSessionsDelete = `DELETE FROM sessions WHERE project = $1 AND user_id = $2`
)

func scanAccount(row scanner) (keybearer.Account, error) {
	var a keybearer.Account
	err := row.Scan(&a.Project, &a.User, &a.PasswordHash, &a.Admin, timeColumn{&a.CreatedAt})
	return a, err
}

// Account implements [keybearer.AccountStore].
func (db *DB) Account(ctx context.Context, project keybearer.ProjectID, user keybearer.UserID) (keybearer.Account, error) {
	a, err := scanAccount(db.points.row(ctx, accountOf, project, user))
	if errors.Is(err, sql.ErrNoRows) {
		return keybearer.Account{}, keybearer.Errorf(keybearer.NotFound, "no account %q", user)
	}
	if err != nil {
		return keybearer.Account{}, db.failure(fmt.Sprintf("reading account %q", user), err)
	}
	return a, nil
}

// PutAccount implements [keybearer.AccountStore].
func (db *DB) PutAccount(ctx context.Context, a keybearer.Account) error {
	_, err := db.write.exec(ctx, accountPut, a.Project, a.User, a.PasswordHash, a.Admin, micros(a.CreatedAt))
	return db.failure(fmt.Sprintf("storing account %q", a.User), err)
}

// Accounts implements [keybearer.AccountStore], ordered by user.
func (db *DB) Accounts(ctx context.Context, project keybearer.ProjectID) ([]keybearer.Account, error) {
	accounts, err := all(ctx, db.lists, scanAccount, accountsOf, project)
	return accounts, db.failure("listing accounts", err)
}

// DeleteAccount implements [keybearer.AccountStore].
func (db *DB) DeleteAccount(ctx context.Context, project keybearer.ProjectID, user keybearer.UserID) error {
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		deleted, err := affected(tx.ExecContext(ctx, accountDelete, project, user))
		if err != nil {
			return err
		}
		if deleted == 0 {
			return keybearer.Errorf(keybearer.NotFound, "no account %q", user)
		}
		_, err = tx.ExecContext(ctx, accountSessionsDelete, project, user)
		return err
	})
	return db.failure(fmt.Sprintf("deleting account %q", user), err)
}

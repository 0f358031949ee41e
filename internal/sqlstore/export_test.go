package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

// Pragma sets something on the connection that writes, so that tests can bring about what a disk does.
func (db *DB) Pragma(ctx context.Context, text string) error {
	_, err := db.write.ExecContext(ctx, "PRAGMA "+text)
	return err
}

// Cached says how many connections are kept in memory.
func (db *DB) Cached() int {
	c := db.caches.conns
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old)
}

// PragmaOf reads a setting of the connection that writes.
func (db *DB) PragmaOf(ctx context.Context, name string) (value string, err error) {
	err = db.write.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value)
	return value, err
}

// CopiedTables names the tables that copies carry.
func CopiedTables() []string {
	var names []string
	for _, t := range copiedTables() {
		names = append(names, t.name)
	}
	return names
}

// PutKeyCheck stores what engines stored before there were data keys.
func (db *DB) PutKeyCheck(ctx context.Context, id string, sealed []byte) error {
	_, err := db.write.exec(ctx, "INSERT INTO root_keys (id, sealed_check) VALUES ($1, $2)", id, sealed)
	return err
}

// Conn gives a connection that writes.
func (db *DB) Conn(ctx context.Context) (*sql.Conn, error) { return db.write.Conn(ctx) }

// HotStatements are the statements that are run for every request, or on a timer, by name.
func (db *DB) HotStatements() map[string]string {
	return map[string]string{
		"accountDelete":         accountDelete,
		"accountOf":             accountOf,
		"accountSessionsDelete": accountSessionsDelete,
		"attemptBound":          attemptBound,
		"attemptTake":           attemptTake,
		"connectionByID":        connectionByID,
		"connectionByRef":       connectionByRef,
		"connectionDelete":      connectionDelete,
		"connectionPostpone":    connectionPostpone,
		"connectionTouch":       connectionTouch,
		"connectionUpdate":      connectionUpdate,
		"connectionsClaim":      fmt.Sprintf(connectionsClaim, db.dialect.passOver),
		"flowAdvance":           flowAdvance,
		"flowByID":              flowByID,
		"flowByVerification":    flowByVerification,
		"flowExpire":            flowExpire,
		"flowNextURI":           flowNextURI,
		"flowPending":           flowPending,
		"grantKeys":             grantKeys,
		"keyByHash":             keyByHash,
		"leaseEnd":              leaseEnd,
		"leaseExtend":           fmt.Sprintf(leaseExtend, db.dialect.now),
		"leaseTake":             fmt.Sprintf(leaseTake, db.dialect.now),
		"pruneAttempts":         pruneAttempts,
		"pruneDead":             pruneDead,
		"pruneEnded":            pruneEnded,
		"pruneEvents":           pruneEvents,
		"pruneFlows":            pruneFlows,
		"pruneLeases":           pruneLeases,
		"pruneSessions":         pruneSessions,
		"sessionByHash":         sessionByHash,
		"sessionDelete":         sessionDelete,
		"settingOf":             settingOf,
	}
}

// Waiting says how many statements wait for a turn that they share, and whether somebody has the turn.
func (db *DB) Waiting() (n int, taken bool) {
	g := db.write.group
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting), len(db.write.turn) > 0
}

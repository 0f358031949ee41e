package sqlstore

import "context"

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

// PruneTexts are the statements of retention.
func PruneTexts() []string {
	return []string{pruneFlows, pruneAttempts, pruneSessions, pruneEvents, pruneLeases, pruneDead, pruneEnded}
}

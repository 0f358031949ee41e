// Package sqlstore keeps everything in a database: one type, [DB], is every store of the root package
// and takes the audit.
//
// It owns the schema, its migrations, the database file and what can go wrong with it. What the
// rows mean, what may be written when, and the sealing of secrets is the root package's business:
// this package sees sealed values only.
//
// The SQL is one text for SQLite (modernc.org/sqlite, pure Go) and PostgreSQL: $1 placeholders,
// ON CONFLICT, RETURNING, integer microseconds. What differs once a database is open is behind one type,
// dialect. What belongs to SQLite alone is in sqlite.go, sqlitefailure.go, file.go, point.go and group.go; what
// belongs to PostgreSQL alone in postgres.go, postgresfailure.go and listen.go.
//
// SQLite runs in WAL mode with synchronous=FULL: a write that was answered survives a power cut,
// because a rotated refresh token that is lost is a lost grant. One connection writes, several read;
// readers never wait for the writer, and single statements that wait for it share a commit (group.go).
// Where processes share a file nothing is kept in memory, one of them makes or migrates it while the others wait,
// and [DB.DataVersion] tells each whether others have written.
//
// PostgreSQL is shared by any number of engines. No row of it is kept in memory, every call has a limit
// of its own and ends whatever becomes of the server, and leases go by the server's clock.
package sqlstore

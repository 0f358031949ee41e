package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

const (
	// poolSize is how many connections one engine has, beside the one that listens. PostgreSQL has a
	// hundred for everybody, unless it is told otherwise.
	poolSize = 12
	// poolSizeOption sets another size in the URL, by the name that pgx's own pool knows.
	poolSizeOption = "pool_max_conns"
	connectTimeout = 5 * time.Second
	// callLimit bounds one call of a store; the slowest that is sane takes a tenth of it.
	callLimit = 5 * time.Second
	idleLimit = 5 * time.Minute
	// epochOf is where a connection keeps the epoch of its pool in which it was made.
	epochOf = "epoch"
	// abandoned is how long a transaction of an engine that has gone, or lost its way, may hold locks.
	abandoned = "30s"
)

func postgresDialect() *dialect {
	return &dialect{
		now: "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)",
		tables: `SELECT count(*), count(CASE WHEN table_name = $1 THEN 1 END) FROM information_schema.tables
			WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`,
		passOver:   " FOR UPDATE SKIP LOCKED",
		bunch:      100,
		lockTables: "LOCK TABLE %s IN ACCESS EXCLUSIVE MODE",
		notOurs:    "name another database, or a schema that is empty, with ?search_path=",
		migrations: postgresMigrations,
		alone: func(ctx context.Context, tx *sql.Tx, something string) error {
			_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", something)
			return err
		},
		diagnose: diagnosePostgres,
		detail:   placeless,
		fate:     postgresFate,
		telling: func(text, channel, column string) string {
			return "WITH changed AS (" + text + " RETURNING " + column + ") SELECT pg_notify('" + channel + "', " + column + ") FROM changed"
		},
	}
}

// postgresMigrations keeps engines that start together apart: one migrates, the others wait.
func postgresMigrations() (goose.Dialect, []goose.ProviderOption, error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return "", nil, err
	}
	return goose.DialectPostgres, []goose.ProviderOption{goose.WithSessionLocker(locker)}, nil
}

// readPostgres reads a URL. Its errors repeat nothing of it, since there is a password in it.
func readPostgres(url secret.String) (_ *pgx.ConnConfig, size int, _ error) {
	config, err := pgx.ParseConfig(url.Reveal())
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, 0, keybearer.Errorf(keybearer.BadRequest, "the PostgreSQL URL names a file that cannot be read: %w", file)
	}
	if err != nil {
		return nil, 0, keybearer.Errorf(keybearer.BadRequest, "the PostgreSQL URL cannot be read: write postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	size = poolSize
	if text, ok := config.RuntimeParams[poolSizeOption]; ok {
		delete(config.RuntimeParams, poolSizeOption)
		if size, err = strconv.Atoi(text); err != nil || size < 2 || size > 1000 {
			return nil, 0, keybearer.Errorf(keybearer.BadRequest, "%s in the PostgreSQL URL is %q: write a number from 2 to 1000", poolSizeOption, text)
		}
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	// Half-open connections are found by limits on calls; this is for those that only listen.
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	config.DialFunc = dialer.DialContext
	for name, value := range map[string]string{"application_name": "keybearer", "idle_in_transaction_session_timeout": abandoned} {
		if _, ok := config.RuntimeParams[name]; !ok {
			config.RuntimeParams[name] = value
		}
	}
	return config, size, nil
}

// postgresName is what a database is called in messages.
func postgresName(config *pgx.ConnConfig) string {
	return config.Database + " at " + net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
}

// openPostgres connects and migrates.
func (db *DB) openPostgres(ctx context.Context, url secret.String) error {
	if err := db.connectPostgres(ctx, url, writing); err != nil {
		return err
	}
	return permanent(migrate(ctx, db.write.DB, db.dialect, db.name))
}

func (db *DB) connectPostgres(ctx context.Context, url secret.String, as use) error {
	config, size, err := readPostgres(url)
	if err != nil {
		return err
	}
	if as != writing {
		config.RuntimeParams["default_transaction_read_only"] = "on"
	}
	db.dialect, db.name, db.server = postgresDialect(), postgresName(config), config
	p := &pool{dialect: db.dialect, turn: make(chan struct{}, size), limit: callLimit}
	p.DB = stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		conn.PgConn().CustomData()[epochOf] = p.epoch.Load()
		return durable(ctx, conn)
	}), stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
		if conn.PgConn().CustomData()[epochOf] != p.epoch.Load() {
			return driver.ErrBadConn
		}
		return nil
	}))
	p.SetMaxOpenConns(size)
	p.SetMaxIdleConns(size)
	p.SetConnMaxIdleTime(idleLimit)
	db.write, db.lists, db.points = p, p, p
	return permanent(suitable(ctx, p.DB, as))
}

// durable makes commits wait for the disk where somebody has set that aside: a rotated refresh token
// that was answered and is lost is a lost grant.
func durable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
	return err
}

// suitable refuses servers that cannot keep what we store.
func suitable(ctx context.Context, db *sql.DB, as use) error {
	var encoding, readOnly string
	if err := db.QueryRowContext(ctx, "SELECT current_setting('server_encoding'), current_setting('transaction_read_only')").Scan(&encoding, &readOnly); err != nil {
		return err
	}
	switch {
	case encoding != "UTF8":
		return keybearer.Errorf(keybearer.BadRequest, "the database has the encoding %s: make one with ENCODING 'UTF8'", encoding)
	case readOnly == "on" && as == writing:
		return keybearer.Errorf(keybearer.Unavailable, "%s", adviceReadOnly)
	}
	return nil
}

const adviceReadOnly = "the server only reads, as a standby does: name the primary, or all hosts with target_session_attrs=read-write"

// permanent tells failures that time does not heal from those that it may.
func permanent(err error) error {
	failed, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch failed.Code[:2] {
	case "28", "3D", "3F", "42": // who we are, which database, which schema, what we may
		if _, advice := diagnosePostgres("", err); advice != "" {
			return keybearer.Errorf(keybearer.BadRequest, "%s (%w)", advice, err)
		}
	}
	return err
}

// InTheClear reports whether the way to the server may be without TLS although it leaves this machine.
func (db *DB) InTheClear() bool {
	if db.server == nil {
		return false
	}
	ways := []*pgconn.FallbackConfig{{Host: db.server.Host, TLSConfig: db.server.TLSConfig}}
	return slices.ContainsFunc(append(ways, db.server.Fallbacks...), func(way *pgconn.FallbackConfig) bool {
		ip := net.ParseIP(way.Host)
		local := way.Host == "localhost" || strings.HasPrefix(way.Host, "/") || ip != nil && ip.IsLoopback()
		return way.TLSConfig == nil && !local
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/secret"
)

// site is a database, with what the engines on it have in common.
type site struct {
	binary   string
	dir      string   // configurations and logs, and the data where the database is a file
	postgres string   // the URL of the database; "" for a file
	provider string   // the URL of the token endpoint
	workers  []string // with tools
}

const engineYAML = `
api: {host: 127.0.0.1, port: %d}
auth:
  session_verification: {unsafe_skip_verification: true}
  providers:
    - id: hooli
      client_id: %s
      client_secret: %s
      oauth2:
        pkce: {enabled: true}
        authorize_request: {endpoint: "https://hooli.example/authorize"}
        token_request: {endpoint: %q}
        refresh_request: {}
security: {root_keys: [{id: bench, value: "a root key for measuring, which protects nothing"}]}
storage: %s
`

func (s site) yaml(port int) []byte {
	storage := "{}"
	if s.postgres != "" {
		storage = fmt.Sprintf("{postgres: {url: %q}}", s.postgres)
	}
	text := fmt.Appendf(nil, engineYAML, port, clientID, clientSecret, s.provider, storage)
	if len(s.workers) > 0 {
		text = append(text, "tools:\n  directors:\n    - id: bench\n      workers:\n"...)
	}
	for i, uri := range s.workers {
		text = fmt.Appendf(text, "        - {id: worker-%d, http: {uri: %q, secret: %q}}\n", i, uri, toolSecret)
	}
	return text
}

// found makes the database, by an engine that starts on it and stops: so it has its keys.
func (s site) found(ctx context.Context) error {
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	e, err := s.start(ctx, "first")
	if err != nil {
		return err
	}
	return e.stop()
}

// start starts an engine.
func (s site) start(ctx context.Context, name string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(s.dir, name+".yaml")
	if err := os.WriteFile(file, s.yaml(port), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, s.binary, "serve", "--config", file, "--data", s.dir)
	cmd.Env = append(os.Environ(), "KEYBEARER_API_KEY="+benchKey, "KEYBEARER_ADMIN_PASSWORD=for-measuring-only")
	return begin(ctx, name, s.dir, fmt.Sprintf("http://127.0.0.1:%d", port), "/v1/health", cmd)
}

// open opens the database while no engine runs on it, and gives what seals the values in it.
func (s site) open(ctx context.Context) (*sqlstore.DB, keybearer.Sealer, error) {
	cfg, problems := config.Parse("bench.yaml", s.yaml(0), config.Source{DataDir: s.dir})
	if err := problems.Err(); err != nil {
		return nil, nil, err
	}
	where := sqlstore.Config{Path: filepath.Join(s.dir, config.DefaultDatabase), Exclusive: true}
	if s.postgres != "" {
		where = sqlstore.Config{Postgres: secret.New(s.postgres)}
	}
	db, err := sqlstore.Open(ctx, where)
	if err != nil {
		return nil, nil, err
	}
	sealer, err := engine.OpenKeys(ctx, cfg, db)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, sealer, nil
}

func user(n int) keybearer.UserID { return keybearer.UserID(fmt.Sprintf("user-%07d@example.com", n)) }

// fill makes the database, with so many connections that come due at a time. All hold copies of one
// grant that the sandbox gave, with tokens of the size of Atlassian's.
func (s site) fill(ctx context.Context, connections int, due time.Time) (err error) {
	if err := s.found(ctx); err != nil {
		return err
	}
	plain, err := sampleGrant(ctx, s.provider)
	if err != nil {
		return fmt.Errorf("getting a grant to copy: %w", err)
	}
	db, sealer, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var sealing error
	_, err = db.ImportConnections(ctx, copies(sealer, plain, connections, due, &sealing))
	return errors.Join(err, sealing)
}

func copies(sealer keybearer.Sealer, plain []byte, connections int, due time.Time, failed *error) iter.Seq[keybearer.Connection] {
	now := time.Now()
	return func(yield func(keybearer.Connection) bool) {
		for n := range connections {
			c := keybearer.Connection{
				ID:    keybearer.ConnectionID(fmt.Sprintf("conn_%026d", n)),
				Ref:   keybearer.Ref{Project: keybearer.DefaultProject, User: user(n), Provider: providerID},
				State: keybearer.ConnectionActive, Scopes: []string{"read", "write"}, Refreshable: true,
				IssuedAt: now, ExpiresAt: now.Add(tokenLife), CreatedAt: now, UpdatedAt: now, DueAt: due, Version: 1,
			}
			if c.Grant, *failed = sealer.Seal(plain, c.GrantPlace()); *failed != nil || !yield(c) {
				return
			}
		}
	}
}

// tokenLife is that of the copies.
const tokenLife = 24 * time.Hour

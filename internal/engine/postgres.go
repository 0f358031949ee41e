package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/secret"
)

const (
	// databasePatience is how long an engine that starts waits for a server that is away: it may be
	// starting, too.
	databasePatience = 30 * time.Second
	databasePause    = time.Second
	postgresPort     = 5432
)

// openPostgres opens the database, and waits a while for one that is away.
func openPostgres(ctx context.Context, p *config.Postgres, log *slog.Logger) (*sqlstore.DB, error) {
	patience, cancel := context.WithTimeout(ctx, databasePatience)
	defer cancel()
	began := time.Now()
	for told := false; ; told = true {
		db, err := sqlstore.Open(ctx, sqlstore.Config{Postgres: postgresURL(p)})
		if err == nil || !errors.Is(err, keybearer.Unavailable) {
			return db, err
		}
		if !told {
			log.Warn("the database cannot be used yet; trying again for a while", "for", databasePatience, "error", err)
		}
		if !wait(patience, databasePause) {
			return nil, fmt.Errorf("after %v of trying: %w", time.Since(began).Round(time.Second), err)
		}
	}
}

// postgresURL puts the parts of a configuration together.
func postgresURL(p *config.Postgres) secret.String {
	if !p.URL.IsZero() {
		return p.URL
	}
	port := p.Port
	if port == 0 {
		port = postgresPort
	}
	u := url.URL{Scheme: "postgres", Path: "/" + p.DB}
	query := url.Values{}
	if strings.HasPrefix(p.Host, "/") { // the folder of a Unix socket
		query.Set("host", p.Host)
		query.Set("port", strconv.Itoa(port))
	} else {
		u.Host = net.JoinHostPort(p.Host, strconv.Itoa(port))
	}
	switch {
	case !p.Password.IsZero():
		u.User = url.UserPassword(p.User, p.Password.Reveal())
	case p.User != "":
		u.User = url.User(p.User)
	}
	if p.SSLMode != "" {
		query.Set("sslmode", p.SSLMode)
	}
	u.RawQuery = query.Encode()
	return secret.New(u.String())
}

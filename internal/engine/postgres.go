package engine

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/secret"
)

const postgresPort = 5432

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

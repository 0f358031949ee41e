package config

import (
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// storage finds the data folder and leaves exactly one kind of storage.
func (c *checker) storage() {
	s := &c.cfg.Storage
	c.cfg.DataDir = c.dataDir(s.Data)
	c.retention(&s.Retention)
	if s.SQLite == nil && s.Postgres == nil && s.InMemory == nil && c.written("storage", "in_memory") {
		s.InMemory = &InMemory{} // "in_memory:" with nothing behind it
	}
	var kinds []string
	for name, set := range map[string]bool{"sqlite": s.SQLite != nil, "in_memory": s.InMemory != nil, "postgres": s.Postgres != nil} {
		if set {
			kinds = append(kinds, name)
		}
	}
	switch {
	case len(kinds) > 1:
		c.wrong("more than one kind of storage; keep one of sqlite, in_memory, postgres", "storage")
		return
	case len(kinds) == 0:
		s.SQLite = &SQLite{ConnectionString: "@DATA/" + DefaultDatabase}
	}
	if s.SQLite != nil {
		c.sqlite(s)
	}
	if s.Postgres != nil {
		c.postgres(s.Postgres)
	}
}

func (c *checker) retention(r *Retention) {
	for name, value := range map[string]time.Duration{
		"authorizations": r.Authorizations, "dead_connections": r.DeadConnections, "audit": r.Audit,
	} {
		if value != 0 && value < time.Hour {
			at := []string{"storage", "retention", name}
			c.wrong(c.shownAs(value.String(), at...)+" is out of range; allowed: 1h and more, like 720h, or 0 to keep it for ever", at...)
		}
	}
}

// DefaultDatabase is the SQLite file's name in the data folder.
const DefaultDatabase = "keybearer.sqlite3"

func (c *checker) dataDir(fromFile string) string {
	dir := c.source.DataDir
	if dir == "" {
		dir = c.atHome(fromFile)
	}
	if dir == "" {
		dir = filepath.Join(homeDir(c.lookup), ".keybearer")
	}
	dir = c.source.inDir(dir)
	if absolute, err := filepath.Abs(dir); err == nil {
		return absolute
	}
	return dir
}

// sqlite makes a plain path of the connection string. What is relative starts at the working directory.
func (c *checker) sqlite(s *Storage) {
	at := []string{"storage", "sqlite", "connection_string"}
	written := s.SQLite.ConnectionString
	path, _, options := strings.Cut(strings.TrimPrefix(written, "file:"), "?")
	switch {
	case path == ":memory:":
		s.SQLite, s.InMemory = nil, &InMemory{}
		return
	case options:
		c.doubt("options behind ? are not used; write the path alone", at...)
	}
	arcade, _ := c.lookup("ARCADE_HOME")
	if arcade == "" {
		arcade = filepath.Join(homeDir(c.lookup), ".arcade")
	}
	path = strings.ReplaceAll(path, "@DATA/", c.cfg.DataDir+"/")
	path = strings.ReplaceAll(path, "@ARCADE_HOME/", strings.TrimRight(arcade, "/")+"/")
	switch {
	case path == "":
		c.wrong(c.shownAs(written, at...)+" names no file; write a path, like @DATA/keybearer.sqlite3", at...)
	case strings.HasPrefix(path, "@"):
		c.wrong(c.shownAs(written, at...)+" begins with a folder that is not known; allowed: @DATA/, @ARCADE_HOME/", at...)
	}
	s.SQLite.ConnectionString = c.source.inDir(c.atHome(path))
}

// atHome expands ~/ at the beginning of a path.
func (c *checker) atHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(homeDir(c.lookup), rest)
	}
	return path
}

func (c *checker) postgres(p *Postgres) {
	at := []string{"storage", "postgres"}
	switch {
	case p.URL.IsZero() && p.Host == "":
		c.wrong("PostgreSQL needs a url, or host, user, password and db", at...)
	case !p.URL.IsZero() && p.Host != "":
		c.wrong("url and host exclude one another; keep one", at...)
	case !p.URL.IsZero():
		u, err := url.Parse(p.URL.Reveal())
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			c.wrong("this is not a PostgreSQL URL; write postgres://user:password@host:5432/db", append(at, "url")...)
		}
	}
}

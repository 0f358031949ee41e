package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// role is the superuser of the server. There are no passwords.
	role = "keybearer"
	// maintenance is the database that every server has.
	maintenance = "postgres"

	startTimeout = time.Minute
	askAgain     = 20 * time.Millisecond
	portTries    = 5
)

// Server is a running PostgreSQL. Its methods may be called concurrently, but for Halt, Resume and
// Stop, which belong to whoever started it.
type Server struct {
	programs string // the folder of initdb and postgres
	dir      string // the data, the log and the marks of the keeper
	settings []string
	port     int
	keeper   *keeper // nil while it is halted
}

// Start makes an empty cluster and starts its server. Settings like "fsync=on" win over those of this
// package. Stop it after use; a test binary that ends without that takes it along.
func Start(ctx context.Context, settings ...string) (_ *Server, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	programs, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{programs: programs, settings: settings}
	if s.dir, err = os.MkdirTemp("", "keybearer-postgres-"); err != nil {
		return nil, fmt.Errorf("making a folder for PostgreSQL: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if err := handOver(s.dir); err != nil {
		return nil, err
	}
	if err := s.initialize(ctx); err != nil {
		return nil, err
	}
	for range portTries { // somebody else may take a free port first
		if s.port, err = freePort(ctx); err != nil {
			return nil, err
		}
		if err = s.Resume(ctx); err == nil || !s.logged("could not bind") {
			return s, err
		}
	}
	return nil, err
}

func (s *Server) initialize(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.programs, "initdb"),
		"--pgdata", s.Data(), "--username", role, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync")
	cmd.Dir = s.dir
	if err := unprivileged(cmd); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// freePort finds a port below those that the system gives to outgoing connections: while the server is
// halted none of those may take it, least of all a client that dials it and would meet itself.
func freePort(ctx context.Context) (int, error) {
	var last error
	for range 100 {
		port := 15000 + rand.IntN(15000)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("finding a free port: %w", last)
}

// Resume starts the server again after [Server.Halt], at the same address, and waits until it answers.
func (s *Server) Resume(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	command := []string{filepath.Join(s.programs, "postgres"), "-D", s.Data(), "-p", strconv.Itoa(s.port)}
	settings := []string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "fsync=off", "full_page_writes=off",
	}
	for _, setting := range append(settings, s.settings...) { // of one that comes twice, the last counts
		command = append(command, "-c", setting)
	}
	k, err := keep(s.dir, command...)
	if err != nil {
		return err
	}
	s.keeper = k
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for {
		err := s.Exec(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		if k.ended() || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("PostgreSQL does not start: %w\n%s", err, s.log()), s.end("QUIT"))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// Halt ends the server as a crash does (pg_ctl stop -m immediate): connections break, and the next
// start recovers. It returns when the server is gone.
func (s *Server) Halt() error { return s.end("QUIT") }

// Stop ends the server and removes its folder. Connections that are still open are cut. It is safe to
// call more than once.
func (s *Server) Stop() error {
	return errors.Join(s.end("INT"), os.RemoveAll(s.dir))
}

func (s *Server) end(signal string) error {
	if s.keeper == nil {
		return nil
	}
	k := s.keeper
	s.keeper = nil
	if err := k.end(signal); err != nil {
		return fmt.Errorf("stopping PostgreSQL: %w", err)
	}
	return nil
}

// Data is the folder with all the bytes that the server keeps. After the statement CHECKPOINT, what was
// committed is in its files.
func (s *Server) Data() string { return filepath.Join(s.dir, "data") }

// Address is host and port, for tests that put something in between.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the connection URL of a database of this server, whether it exists or not, as its superuser.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Host: s.Address(), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Exec runs a statement beside all tests' databases, on a connection of its own: CREATE DATABASE,
// CHECKPOINT, pg_terminate_backend and the like.
func (s *Server) Exec(ctx context.Context, text string, args ...any) error {
	conn, err := pgx.Connect(ctx, s.URL(maintenance))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, text, args...)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// log is the end of what the server said.
func (s *Server) log() string {
	const most = 4000
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

func (s *Server) logged(text string) bool { return strings.Contains(s.log(), text) }

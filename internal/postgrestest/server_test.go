package postgrestest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keybearer/keybearer/internal/postgrestest"
)

// orphan is the environment variable that makes this test binary leave a server behind.
const orphan = "KEYBEARER_POSTGRESTEST_ORPHAN"

func TestMain(m *testing.M) {
	if os.Getenv(orphan) == "" {
		os.Exit(m.Run())
	}
	s, err := postgrestest.Start(context.Background())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.URL("postgres"))
	fmt.Println(filepath.Dir(s.Data()))
	select {} // until it is killed
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestPostgresDatabasesAreFresh(t *testing.T) {
	var names [2]string
	for i := range names {
		conn := connect(t, postgrestest.Database(t))
		if _, err := conn.Exec(t.Context(), "CREATE TABLE mine (id INT PRIMARY KEY)"); err != nil {
			t.Errorf("got %v, want an empty database", err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&names[i]); err != nil {
			t.Fatal(err)
		}
	}
	if names[0] == names[1] {
		t.Errorf("got the database %s twice", names[0])
	}
}

func TestPostgresDatabaseGoesWithItsTest(t *testing.T) {
	var url string
	t.Run("postgres", func(t *testing.T) {
		url = postgrestest.Database(t)
		connect(t, url)
	})
	if _, err := pgx.Connect(t.Context(), url); err == nil {
		t.Error("the database is still there after its test")
	}
}

func TestPostgresComesBackAfterACrash(t *testing.T) {
	ctx := t.Context()
	s, err := postgrestest.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for range 2 {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(s.Data()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want the data gone", err)
		}
	}()
	if err := s.Exec(ctx, "CREATE TABLE kept (id INT)"); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, s.URL("postgres"))
	if err := s.Halt(); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(ctx); err == nil {
		t.Error("a connection outlived the server")
	}
	if err := s.Exec(ctx, "SELECT 1"); err == nil {
		t.Error("the server answers although it is halted")
	}
	if err := s.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(ctx, "DROP TABLE kept"); err != nil {
		t.Errorf("got %v, want what was committed before", err)
	}
}

func TestPostgresEndsWithAKilledTestBinary(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), orphan+"=yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var said [2]string // the URL and the folder
	for i := range said {
		if !lines.Scan() {
			t.Fatalf("the other process ended early: %q", said)
		}
		said[i] = lines.Text()
	}
	conn := connect(t, said[0])
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the other process ended well, want it killed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := conn.WaitForNotification(ctx); ctx.Err() != nil {
		t.Fatalf("the server is still there: %v", err) // nobody notifies: it ends with the connection
	}
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		if _, err := os.Stat(said[1]); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the folder %s is still there", said[1])
		}
	}
}

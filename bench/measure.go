package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/keybearer/keybearer/internal/postgrestest"
)

// bench is what all measurements have in common.
type bench struct {
	plan
	binary   string
	dir      string
	postgres *postgrestest.Server // which syncs; nil where it is left out
	made     int                  // databases on it
}

func measure(ctx context.Context, p plan, dir string) (err error) {
	b := &bench{plan: p, dir: dir}
	if b.binary, err = build(ctx, dir); err != nil {
		return err
	}
	if p.servers {
		if b.postgres, err = postgrestest.Start(ctx, "fsync=on", "full_page_writes=on"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.postgres.Stop()) }()
	}
	fmt.Printf("%s/%s, %d processors, %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"tokens", b.tokens}, {"refreshes", b.refreshes}, {"planning", b.planning}, {"tools", b.tools}, {"proxy", b.proxied}, {"commands", b.commands}} {
		if p.only != "" && p.only != part.name {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// build makes the binary as `make build` does, unless one is named.
func build(ctx context.Context, dir string) (string, error) {
	if named := os.Getenv("KEYBEARER_BINARY"); named != "" {
		return filepath.Abs(named)
	}
	binary := filepath.Join(dir, "keybearer")
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", binary, "github.com/keybearer/keybearer/cmd/keybearer")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return binary, cmd.Run()
}

// site names a place for a database that is still to be made: a file, or a database of the server.
func (b *bench) site(ctx context.Context, name string, postgres bool, provider string) (site, error) {
	s := site{binary: b.binary, dir: filepath.Join(b.dir, name), provider: provider}
	if !postgres {
		return s, nil
	}
	b.made++
	database := fmt.Sprintf("bench_%d", b.made)
	s.postgres = b.postgres.URL(database)
	return s, b.postgres.Exec(ctx, "CREATE DATABASE "+database)
}

// ratio is the median of the ratios within a round.
func ratio[T any](a, b []T, of func(T) float64) float64 {
	var ratios []float64
	for i := range a {
		ratios = append(ratios, of(a[i])/of(b[i]))
	}
	return median(ratios)
}

// middle is the median of one figure of several rounds.
func middle[T any, N int | float64 | time.Duration](rounds []T, of func(T) N) N {
	var values []N
	for _, r := range rounds {
		values = append(values, of(r))
	}
	return median(values)
}

func median[T int | float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

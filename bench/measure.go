package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

func measure(ctx context.Context, p plan, dir string) (err error) {
	binary, err := build(ctx, dir)
	if err != nil {
		return err
	}
	few, many := filepath.Join(dir, "few"), filepath.Join(dir, "many")
	for folder, rows := range map[string]int{few: p.few, many: p.many} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
		if err := fill(ctx, folder, rows, time.Time{}); err != nil {
			return fmt.Errorf("filling a database with %d connections: %w", rows, err)
		}
	}
	fmt.Printf("%s/%s, %d processors, %s; %d clients, %d rounds of %s each\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), p.workers, p.rounds, p.each)
	if err := starts(ctx, p, binary, few); err != nil {
		return err
	}
	small, err := startEngine(ctx, binary, "engine", few)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, small.stop()) }()
	large, err := startEngine(ctx, binary, "engine", many)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, large.stop()) }()
	idle, err := small.resident()
	if err != nil {
		return err
	}
	fmt.Printf("resident memory, idle: %.1f MiB (aim: under 40 MB)\n", idle)

	for _, q := range []struct {
		name string
		ask  question
	}{{"completed authorize", askAuthorize}, {"status", askStatus}} {
		body, err := sample(ctx, q.ask, small.url)
		if err != nil {
			return err
		}
		bare, err := startBare(ctx, dir, body)
		if err != nil {
			return err
		}
		err = compare(ctx, p, q.name, q.ask, bare, small, large)
		if err = errors.Join(err, bare.stop()); err != nil {
			return err
		}
	}
	loaded, err := large.resident()
	if err != nil {
		return err
	}
	fmt.Printf("\nresident memory after the load, %d connections stored: %.1f MiB\n", p.many, loaded)
	return planning(ctx, p, dir)
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

// starts measures the time from the start of the process to its first healthy answer.
func starts(ctx context.Context, p plan, binary, dir string) error {
	var took []time.Duration
	for range p.starts {
		e, err := startEngine(ctx, binary, "start", dir)
		if err != nil {
			return err
		}
		took = append(took, e.took)
		if err := e.stop(); err != nil {
			return err
		}
	}
	fmt.Printf("start to first healthy answer: median %s of %d (aim: under 200 ms)\n", median(took).Round(time.Millisecond), p.starts)
	return nil
}

func sample(ctx context.Context, ask question, url string) ([]byte, error) {
	req, err := ask(ctx, url, 0)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	return body, errors.Join(err, res.Body.Close())
}

// compare lets the candidates take turns.
func compare(ctx context.Context, p plan, name string, ask question, bare, small, large *process) error {
	var ofBare, ofSmall, ofActive, ofLarge []figures
	for round := -1; round < p.rounds; round++ { // the first one warms up
		for _, c := range []struct {
			*process
			users int
			into  *[]figures
		}{{bare, p.few, &ofBare}, {small, p.few, &ofSmall}, {large, p.few, &ofActive}, {large, p.many, &ofLarge}} {
			f, err := burst(ctx, ask, c.process, c.users, p.workers, p.each)
			if err != nil {
				return fmt.Errorf("%s at %s: %w", name, c.name, err)
			}
			if round >= 0 {
				*c.into = append(*c.into, f)
			}
		}
	}
	fmt.Printf("\n%s, medians\n", name)
	show := func(label string, fs []figures) {
		fmt.Printf("  %-38s %8.0f requests/s   p50 %8s   p99 %8s   %8s of processor\n", label, median(rates(fs)),
			median(pick(fs, func(f figures) time.Duration { return f.p50 })).Round(10*time.Microsecond),
			median(pick(fs, func(f figures) time.Duration { return f.p99 })).Round(10*time.Microsecond),
			median(pick(fs, func(f figures) time.Duration { return f.cpu })).Round(time.Microsecond))
	}
	show("bare handler", ofBare)
	show(fmt.Sprintf("engine, %d stored", p.few), ofSmall)
	show(fmt.Sprintf("engine, %d stored, %d active", p.many, p.few), ofActive)
	show(fmt.Sprintf("engine, %d stored, all active", p.many), ofLarge)
	p99 := func(f figures) float64 { return float64(f.p99) }
	rate := func(f figures) float64 { return f.perSecond }
	cpu := func(f figures) float64 { return float64(f.cpu) }
	fmt.Printf("  engine / bare                          %.2f of the requests/s (aim: at least 0.5), %.2f of the p99, %.2f of the processor time\n",
		ratio(ofSmall, ofBare, rate), ratio(ofSmall, ofBare, p99), ratio(ofSmall, ofBare, cpu))
	fmt.Printf("  cost at %d stored / at %d      %.2f of the time (aim: within 1.2), %.2f of the processor time; with all active %.2f and %.2f\n", p.many, p.few,
		ratio(ofSmall, ofActive, rate), ratio(ofActive, ofSmall, cpu), ratio(ofSmall, ofLarge, rate), ratio(ofLarge, ofSmall, cpu))
	return nil
}

// ratio is the median of the ratios within a round.
func ratio(a, b []figures, of func(figures) float64) float64 {
	var ratios []float64
	for i := range a {
		ratios = append(ratios, of(a[i])/of(b[i]))
	}
	return median(ratios)
}

func rates(fs []figures) []float64 { return pick(fs, func(f figures) float64 { return f.perSecond }) }

func pick[T any](fs []figures, of func(figures) T) []T {
	out := make([]T, len(fs))
	for i, f := range fs {
		out[i] = of(f)
	}
	return out
}

func median[T int | float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

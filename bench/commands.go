package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// commandRounds is how often each command is started.
const commandRounds = 60

// commands measures what a command of the laptop costs, from its start to its end, beside `true` and beside a Go program
// that does nothing. They take turns, and a difference is the median of the differences within a round.
func (b *bench) commands(ctx context.Context) error {
	home := filepath.Join(b.dir, "vault")
	env := append(os.Environ(), "KEYBEARER_HOME="+home, "BENCH_KEY=sk-not-a-real-key-but-of-its-form-0123456789abcdef", "KEYBEARER_VAULT_CUSTODY=file")
	start := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = env
		return cmd
	}
	nothing := filepath.Join(b.dir, "nothing")
	if said, err := start("go", "build", "-o", nothing, "./bench/nothing").CombinedOutput(); err != nil {
		return fmt.Errorf("building a program that does nothing: %w: %s", err, said)
	}
	login := start(b.binary, "login", "openai", "--key-env", "BENCH_KEY", "--port", "0")
	if said, err := login.CombinedOutput(); err != nil {
		return fmt.Errorf("storing a key: %w: %s", err, said)
	}
	candidates := []struct {
		label string
		argv  []string
		took  []time.Duration
	}{
		{label: "true", argv: []string{"true"}},
		{label: "a Go program that does nothing", argv: []string{nothing}},
		{label: "keybearer version", argv: []string{b.binary, "version"}},
		{label: "keybearer list", argv: []string{b.binary, "list"}},
		{label: "keybearer get", argv: []string{b.binary, "get", "openai"}},
		{label: "keybearer run -- true", argv: []string{b.binary, "run", "--", "true"}},
	}
	rounds := max(3, commandRounds*b.rounds/7)
	for range rounds {
		for i := range candidates {
			c := &candidates[i]
			began := time.Now()
			if said, err := start(c.argv[0], c.argv[1:]...).CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", c.label, err, said)
			}
			c.took = append(c.took, time.Since(began))
		}
	}
	fmt.Printf("\na command on a laptop, from its start to its end, medians of %d\n%-36s %10s %14s\n", rounds, "", "takes", "beside `true`")
	for _, c := range candidates {
		over := make([]time.Duration, len(c.took))
		for i := range c.took {
			over[i] = c.took[i] - candidates[0].took[i]
		}
		fmt.Printf("  %-34s %10s %14s\n", c.label, median(c.took).Round(100*time.Microsecond), median(over).Round(100*time.Microsecond))
	}
	return nil
}

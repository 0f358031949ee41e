package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	// crashPlace and crashKill are the environment variables that make a test binary the writer.
	crashPlace = "KEYBEARER_STORETEST_PLACE"
	crashKill  = "KEYBEARER_STORETEST_KILL"
	// crashMark begins a line in which the writer says what was answered.
	crashMark = "storetest:"
	// crashHands is how many goroutines write, each its own rows.
	crashHands = 4
	crashLease = "crash"
)

// Crash examines what a store keeps when the process that writes to it is killed in the middle, as a
// crash, the kernel's out-of-memory killer or an impatient operator does, several times over one place.
// Afterwards every write that was answered is there, the one that was not is there as a whole or not at
// all, what was deleted or taken stays away, the store goes on, and the lease of the dead ends by itself.
//
// The writer is this test binary, started again for the test that calls Crash, so a test calls it once
// and does nothing else. There place is not called: it makes the place, such as the path of a file or
// the URL of a database, and open opens the stores there, which t.Cleanup closes; Rival and Leases that
// live in the memory of one process are left nil. The place is handed over in the environment, where
// others do not see it.
//
// What it cannot see is the loss of power: what the kernel has taken, it brings to the disk when only a
// process dies. Whether a store syncs is the matter of its own tests.
func Crash(t *testing.T, kills int, place func(t *testing.T) string, open func(t *testing.T, place string) Stores) {
	t.Helper()
	if at, writing := os.LookupEnv(crashPlace); writing {
		fmt.Println(crashMark, "all", "opening", 0)
		ok(t, writeUntilKilled(t, open(t, at), os.Getenv(crashKill)))
		return
	}
	var (
		at  = place(t)
		all []*testimony
	)
	for kill := range kills {
		said := killed(t, at, kill)
		all = append(all, said)
		t.Run(fmt.Sprintf("Kill%d", kill), func(t *testing.T) {
			s := open(t, at)
			if kill == kills-1 { // in the end everything once more
				for _, former := range all[:kill] {
					former.check(t, s, false)
				}
			}
			said.check(t, s, true)
			for _, d := range deeds() { // the store goes on
				if d.asks(s) {
					ok(t, d.do(t.Context(), s, fmt.Sprintf("after%d", kill), 1))
				}
			}
		})
	}
}

// testimony is what a writer said that it had been answered.
type testimony struct {
	rounds     map[string]map[string]int // by hand and deed
	generation int64                     // of its lease; 0: none
}

// hands are the names of a writer's goroutines, and of their rows.
func hands(kill string) []string {
	var names []string
	for i := range crashHands {
		names = append(names, fmt.Sprintf("kill%s-hand%d", kill, i))
	}
	return names
}

// killed starts a writer, kills it after some of its answers, and gives what it had said.
func killed(t *testing.T, place string, kill int) *testimony {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*patience)
	defer stop()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run="+exactly(t.Name()), "-test.count=1", "-test.timeout="+(3*patience).String())
	cmd.Env = append(os.Environ(), crashPlace+"="+place, crashKill+"="+strconv.Itoa(kill))
	var words strings.Builder
	cmd.Stderr = &words
	alive, err := cmd.StdinPipe() // its end tells the writer that nobody will kill it any more
	ok(t, err)
	defer alive.Close()
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())

	said := &testimony{rounds: make(map[string]map[string]int)}
	for _, hand := range hands(strconv.Itoa(kill)) {
		said.rounds[hand] = make(map[string]int)
	}
	// One kill comes while the store is opened, the others after ever more answers.
	enough := 1
	if kill != 1 {
		enough += 20 + 97*kill%499
	}
	lines, other := 0, ""
	for scan := bufio.NewScanner(out); scan.Scan(); {
		if line, marked := strings.CutPrefix(scan.Text(), crashMark); marked {
			ok(t, said.hear(line))
			lines++
		} else {
			other += scan.Text() + "\n"
		}
		if lines == enough {
			ok(t, cmd.Process.Kill()) // and read on: what it had said before counts
		}
	}
	if err := cmd.Wait(); lines < enough || err == nil {
		t.Fatalf("the writer ended by itself after %d answers: %v\n%s%s", lines, err, other, words.String())
	}
	return said
}

// exactly is the pattern for the test of that name alone.
func exactly(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// hear takes a line of the writer.
func (said *testimony) hear(line string) error {
	var (
		hand, deed string
		n          int64
	)
	if _, err := fmt.Sscan(line, &hand, &deed, &n); err != nil {
		return fmt.Errorf("reading %q: %w", line, err)
	}
	switch deed {
	case "opening":
	case "lease":
		said.generation = n
	default:
		said.rounds[hand][deed] = int(n)
	}
	return nil
}

func (said *testimony) check(t *testing.T, s Stores, last bool) {
	t.Helper()
	for hand, rounds := range said.rounds {
		for _, d := range deeds() {
			if d.asks(s) && (last || !d.once) {
				if err := d.check(t.Context(), s, hand, rounds); err != nil {
					t.Errorf("%s of %s, after %d that were answered: %v", d.name, hand, rounds[d.name], err)
				}
			}
		}
	}
	if s.Leases == nil || said.generation == 0 || !last {
		return
	}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	lease, err := s.Leases.Acquire(ctx, crashLease, time.Minute)
	if err != nil {
		t.Errorf("got %v for the lease of the dead, want it", err)
		return
	}
	if lease.Generation <= said.generation {
		t.Errorf("got generation %d after %d of the dead, want more", lease.Generation, said.generation)
	}
	ok(t, s.Leases.Release(ctx, lease))
}

// writeUntilKilled is the part of the other process: it does every deed again and again, and says each
// that was answered. It ends only if something fails.
func writeUntilKilled(t *testing.T, s Stores, kill string) error {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1) // whoever would kill us is gone
	}()
	if s.Leases != nil {
		waiting, stop := context.WithTimeout(ctx, patience)
		defer stop()
		lease, err := s.Leases.Acquire(waiting, crashLease, time.Second)
		if err != nil {
			return err
		}
		fmt.Println(crashMark, "all", "lease", lease.Generation)
	}
	var (
		wait sync.WaitGroup
		errs = make([]error, crashHands)
	)
	for i, hand := range hands(kill) {
		wait.Go(func() {
			defer cancel()
			errs[i] = write(ctx, s, hand)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func write(ctx context.Context, s Stores, hand string) error {
	for round := 1; ; round++ {
		done := 0
		for _, d := range deeds() {
			if !d.asks(s) {
				continue
			}
			if err := d.do(ctx, s, hand, round); err != nil {
				return fmt.Errorf("%s, round %d: %w", d.name, round, err)
			}
			// One call of write(2) for a line: the lines of the hands do not mix.
			if _, err := fmt.Fprintln(os.Stdout, crashMark, hand, d.name, round); err != nil {
				return err
			}
			done++
		}
		if done == 0 {
			return keybearer.Errorf(keybearer.BadRequest, "no store to examine")
		}
	}
}

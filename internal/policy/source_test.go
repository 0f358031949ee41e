package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer/internal/policy"
)

// watched is a source whose clock and reports a test holds.
type watched struct {
	*policy.Source
	*clock
	path    string
	reports []string
}

func watch(t *testing.T, text string, required bool) *watched {
	t.Helper()
	w := &watched{clock: newClock(), path: policy.In(t.TempDir())}
	if text != "" {
		w.write(t, text)
	}
	w.Source = policy.NewSource(policy.SourceConfig{Path: w.path, Required: required, Now: w.Now, Report: func(ps policy.Problems) {
		w.reports = append(w.reports, printed(t, ps))
	}})
	return w
}

// write replaces the file, with the time of the clock.
func (w *watched) write(t *testing.T, text string) {
	t.Helper()
	write(t, w.path, text)
	if err := os.Chtimes(w.path, w.Now(), w.Now()); err != nil {
		t.Fatal(err)
	}
}

func (w *watched) verdict() policy.Verdict { return w.Decide(get("/")).Verdict }

// expect moves the clock by a second, and compares.
func (w *watched) expect(t *testing.T, when string, want policy.Verdict, reports int) {
	t.Helper()
	w.Advance(time.Second)
	if got := w.verdict(); got != want {
		t.Errorf("%s: %s, want %s", when, got, want)
	}
	if len(w.reports) != reports {
		t.Errorf("%s: %d reports, want %d: %q", when, len(w.reports), reports, w.reports)
	}
}

const (
	allowing = "version: 1\nrules: [{verdict: allow}]\n"
	asking   = "version: 1\nrules: [{verdict: ask}]\n"
	refusing = "version: 1\nrules: [{verdict: refuse}]\n"
	brokenly = "version: 1\nrules: [{verdict: maybe}]\n"
)

func TestSourceReadsAgain(t *testing.T) {
	w := watch(t, allowing, true)
	if got := w.verdict(); got != policy.Allow {
		t.Fatalf("at first: %s, want allow", got)
	}
	w.write(t, asking)
	if got := w.verdict(); got != policy.Allow {
		t.Errorf("within the same second: %s, want the file not looked at", got)
	}
	w.expect(t, "a second later", policy.Ask, 0)
	before := w.Policy()
	w.Advance(time.Hour)
	if w.Policy() != before {
		t.Error("a file that did not change was read again")
	}
	w.write(t, brokenly)
	w.expect(t, "broken", policy.Ask, 1)
	if got := w.reports[0]; !strings.Contains(got, `policy.yaml:2:19: error: rules[0].verdict: "maybe" is not known`) || !strings.Contains(got, "what was read before goes on to hold") {
		t.Errorf("reported %q", got)
	}
	w.expect(t, "still broken", policy.Ask, 1)
	w.write(t, refusing)
	w.expect(t, "repaired", policy.Refuse, 2)
	if w.reports[1] != "" {
		t.Errorf("reported %q, want that all is well", w.reports[1])
	}
	if err := os.Remove(w.path); err != nil {
		t.Fatal(err)
	}
	w.expect(t, "gone", policy.Refuse, 3)
	w.write(t, asking)
	w.expect(t, "back", policy.Ask, 4)
	w.Advance(-time.Hour)
	w.write(t, allowing)
	w.expect(t, "after the clock was set back", policy.Allow, 4)
}

// Two changes within one tick of the file system's clock, of one length, are two changes.
func TestSourceSeesTheSecondOfTwoQuickChanges(t *testing.T) {
	w := watch(t, "version: 1\nrules: [{verdict: ask}]  \n", true)
	same := w.Now()
	w.Advance(time.Second)
	w.verdict()
	write(t, w.path, "version: 1\nrules: [{verdict: allow}]\n")
	if err := os.Chtimes(w.path, same, same); err != nil {
		t.Fatal(err)
	}
	w.expect(t, "changed again with the same time and size", policy.Allow, 0)
}

func TestSourceSeesAFileThatTookTheOthersPlace(t *testing.T) {
	w := watch(t, allowing, true)
	w.Advance(time.Hour)
	w.verdict()
	other := filepath.Join(filepath.Dir(w.path), "new")
	write(t, other, strings.Replace(asking, "\n", " \n\n", 1)) // as long as the one before
	old, err := os.Stat(w.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(other, old.ModTime(), old.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, w.path); err != nil {
		t.Fatal(err)
	}
	w.expect(t, "renamed over it", policy.Ask, 0)
}

func TestSourceWithoutAFile(t *testing.T) {
	w := watch(t, "", false)
	w.expect(t, "none needed", policy.Allow, 0)
	if w.Policy() != nil {
		t.Error("there is a policy without a file")
	}
	w.write(t, brokenly)
	w.expect(t, "one comes, broken", policy.Refuse, 1)
	if reason := w.Decide(get("/")).Reason; !strings.Contains(reason, "everything is refused, since the policy cannot be used") || !strings.Contains(reason, "policy.yaml:2:19: error") {
		t.Errorf("the reason is %q", reason)
	}
	if got := w.Decide(policy.Request{Host: "example.com"}).Verdict; got != policy.Refuse {
		t.Errorf("a tunnel: %s, want refuse", got)
	}
	w.write(t, asking)
	w.expect(t, "repaired", policy.Ask, 2)
}

func TestSourceFailsClosed(t *testing.T) {
	w := watch(t, "", true)
	w.expect(t, "a named file that is not there", policy.Refuse, 1)
	w.write(t, allowing)
	w.expect(t, "it comes", policy.Allow, 2)

	w = watch(t, brokenly, false)
	w.expect(t, "broken from the start", policy.Refuse, 1)
	if err := os.Remove(w.path); err != nil {
		t.Fatal(err)
	}
	w.expect(t, "and removed", policy.Refuse, 2)

	w = watch(t, "", false)
	if err := os.Symlink("nowhere", w.path); err != nil {
		t.Fatal(err)
	}
	w.expect(t, "a link that leads nowhere", policy.Refuse, 1)
}

func TestSourceAmongMany(t *testing.T) {
	w := watch(t, allowing, true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				w.Advance(100 * time.Millisecond)
				if got := w.verdict(); got != policy.Allow && got != policy.Ask {
					t.Errorf("%s, want allow or ask", got)
				}
			}
		})
	}
	other := w.path + ".new"
	write(t, other, asking)
	if err := os.Rename(other, w.path); err != nil {
		t.Error(err)
	}
	wg.Wait()
	w.expect(t, "in the end", policy.Ask, 0)
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/internal/fault"
)

const apiKey = "arc_A-KEY-THAT-OPENS-NOTHING-ELSE"

// replica is a place where an engine runs: when its process ends, another one is started.
type replica struct {
	s        settings
	number   int
	address  string
	binary   string
	dir      string // its configuration, data and logs
	client   *client.Client
	database *relay // nil where there is none between

	mu      sync.Mutex
	calm    bool // no fate for those that start from now on
	process *os.Process
	name    string // of the process: replica-1.7
	how     string // how it is being ended, if we do that
	endings []ending
	naps    []nap
}

// ending is the end of a process.
type ending struct {
	name string
	at   time.Time
	how  string // one of the constants below, or "die@before-commit"
	said string // its last words, if it ended by itself
}

// nap is a time in which a process was frozen.
type nap struct {
	name     string
	from, to time.Time
}

const (
	killedFromOutside = "killed from outside"
	stoppedInOrder    = "stopped in order"
	byItself          = "by itself: "
)

// supervise runs one process after the other until ctx ends; then it stops the last one in order.
func (r *replica) supervise(ctx context.Context) error {
	for number := 1; ctx.Err() == nil; number++ {
		f := r.s.fate(r.number, number)
		if err := r.live(ctx, number, f); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(f.pause):
		}
	}
	return nil
}

// live is the life of one process.
func (r *replica) live(ctx context.Context, number int, f fate) error {
	name := fmt.Sprintf("replica-%d.%d", r.number, number)
	cmd := exec.Command(r.binary, "serve", "--config", filepath.Join(r.dir, "engine.yaml"), "--data", filepath.Join(r.dir, "data"))
	said, err := os.OpenFile(filepath.Join(r.dir, "said.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer said.Close()
	_, _ = fmt.Fprintf(said, "== %s\n", name)
	cmd.Stdout, cmd.Stderr, cmd.Dir = said, said, r.dir
	endWithParent(cmd)

	r.mu.Lock()
	if r.calm {
		f.stops = ""
	}
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir,
		"KEYBEARER_API_KEY=" + apiKey, "KEYBEARER_ADMIN_PASSWORD=that opens nothing either",
		"KEYBEARER_CHAOS_NAME=" + name, "KEYBEARER_CHAOS_LOG=" + filepath.Join(r.dir, name+".points"),
		"KEYBEARER_CHAOS_STOP=" + f.stops, "KEYBEARER_CHAOS_CLOCK=" + f.clockBy.String(),
	}
	if err := cmd.Start(); err != nil {
		r.mu.Unlock()
		return fmt.Errorf("starting %s: %w", name, err)
	}
	r.process, r.name, r.how = cmd.Process, name, ""
	r.mu.Unlock()

	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { r.watch(ctx, cmd.Process, name, f, ended) })
	_ = cmd.Wait() // how it ended is in ProcessState
	at := time.Now()
	close(ended)
	watching.Wait()

	r.mu.Lock()
	defer r.mu.Unlock()
	r.process = nil
	end := ending{name: name, at: at, how: r.howEnded(name, cmd.ProcessState.String())}
	if strings.HasPrefix(end.how, byItself) {
		end.said = r.lastWords()
	}
	r.endings = append(r.endings, end)
	return nil
}

// watch wakes the process when it has been frozen long enough, and stops it when ctx ends.
func (r *replica) watch(ctx context.Context, p *os.Process, name string, f fate, ended <-chan struct{}) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	over := ctx.Done()
	var asleep time.Time
	wake := func() {
		r.mu.Lock()
		r.naps = append(r.naps, nap{name, asleep, time.Now()})
		r.mu.Unlock()
		_ = p.Signal(syscall.SIGCONT)
		asleep = time.Time{}
	}
	slept := 0
	var impatient <-chan time.Time
	for {
		select {
		case <-ended:
			if !asleep.IsZero() {
				wake()
			}
			return
		case <-over:
			r.end(stoppedInOrder, syscall.SIGTERM)
			over, impatient = nil, time.After(20*time.Second)
		case <-impatient:
			_ = p.Kill()
		case now := <-look.C:
			switch {
			case !frozen(p.Pid):
				asleep = time.Time{}
			case asleep.IsZero():
				asleep = now
			case now.Sub(asleep) >= f.naps[slept%len(f.naps)]:
				slept++
				wake()
			}
		}
	}
}

// end sends the process that runs now, if any, a signal that ends it.
func (r *replica) end(how string, signal syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return
	}
	if r.how == "" {
		r.how = how
	}
	_ = r.process.Signal(signal)
	_ = r.process.Signal(syscall.SIGCONT) // one that is frozen would not hear it
}

func (r *replica) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != nil {
		_ = r.process.Signal(syscall.SIGSTOP)
	}
}

// renew stops the process in order and waits until another one has taken its place, which has a fate
// of its own, or none if calm.
func (r *replica) renew(ctx context.Context, calm bool) error {
	r.mu.Lock()
	former := r.name
	r.calm = calm
	r.mu.Unlock()
	r.end(stoppedInOrder, syscall.SIGTERM)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		r.mu.Lock()
		now, running := r.name, r.process != nil
		r.mu.Unlock()
		if now != former && running {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}

// howEnded says how a process ended: at a point of its own, by us, or by itself.
func (r *replica) howEnded(name, state string) string {
	lines, err := r.points(name)
	switch {
	case err == nil && len(lines) > 0 && lines[len(lines)-1].Deed == "die":
		return "die@" + string(lines[len(lines)-1].At)
	case r.how != "":
		return r.how
	default:
		return byItself + state
	}
}

// lastWords are the end of what the replica's processes wrote.
func (r *replica) lastWords() string {
	said, _ := os.ReadFile(filepath.Join(r.dir, "said.log"))
	return string(said[max(0, len(said)-2000):])
}

// points are the points that a process passed.
func (r *replica) points(name string) ([]fault.Line, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, name+".points"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lines []fault.Line
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // cut short by a kill
		}
		l, err := fault.ParseLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// awaitHealth waits until the engine says that it is well.
func (r *replica) awaitHealth(ctx context.Context, carrier http.RoundTripper) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.address+"/v1/health", nil)
		if err != nil {
			return err
		}
		if res, err := carrier.RoundTrip(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("replica %d did not become healthy; it said at last: %s", r.number, r.lastWords())
		case <-look.C:
		}
	}
}

// frozen tells whether a process is stopped by a signal (Linux).
func frozen(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(stat, []byte(") ")) // behind the command's name
	return bytes.HasPrefix(rest, []byte("T"))
}

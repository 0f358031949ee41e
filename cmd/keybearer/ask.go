package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/keybearer/keybearer/internal/login"
	"github.com/keybearer/keybearer/internal/proxy"
)

// asker asks the person what a policy wants confirmed: at the terminal, where the program that runs does not use
// it, or else on a page in the browser, whose address the program cannot know.
type asker struct {
	w        world
	terminal bool
	never    bool

	mu   sync.Mutex // one question at a time
	door *login.Door
}

func newAsker(w world, where string) (*asker, error) {
	a := &asker{w: w}
	switch where {
	case "terminal":
		a.terminal = true
	case "browser":
	case "never":
		a.never = true
	case "auto":
		a.terminal = !isTerminal(w.in)
	default:
		return nil, usageError{fmt.Errorf("--ask %q is not known: terminal, browser, never or auto", where)}
	}
	return a, nil
}

func (a *asker) ask(ctx context.Context, q proxy.Question) (bool, error) {
	if a.never {
		return false, errors.New("questions are off (--ask never)")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.terminal {
		if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
			return askAt(ctx, tty, q)
		}
	}
	return a.askInBrowser(ctx, q)
}

// sentence is the question.
func sentence(q proxy.Question) string {
	what := fmt.Sprintf("%s wants to send %s %s%s", q.Run, q.Method, q.Host, q.Path)
	if q.Matched {
		what += fmt.Sprintf(" with your connection to %s", q.Provider)
	}
	if q.Rule != "" {
		what += " (" + q.Rule + ")"
	}
	return what
}

// askAt asks at the terminal. Whoever is not answered in time gives the terminal back: the read ends with the file.
func askAt(ctx context.Context, tty *os.File, q proxy.Question) (bool, error) {
	_, _ = fmt.Fprintf(tty, "\r\n%s\r\nAllow it? [y/N] ", sentence(q))
	stop := context.AfterFunc(ctx, func() { _ = tty.Close() })
	line, err := readLine(tty)
	if !stop() {
		return false, errors.New("nobody answered in time")
	}
	_ = tty.Close()
	if err != nil {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	return strings.EqualFold(line, "y") || strings.EqualFold(line, "yes"), nil
}

func (a *asker) askInBrowser(ctx context.Context, q proxy.Question) (bool, error) {
	if a.door == nil {
		door, err := login.Open(ctx, 0)
		if err != nil {
			return false, err
		}
		a.door = door
	}
	asking := a.door.Ask(login.Form{
		Title: "Allow this?", Lead: []string{sentence(q) + "."},
		Choices: []login.Choice{{Value: "yes", Label: "Allow it once"}, {Value: "no", Label: "Refuse it"}},
	})
	if !login.Browser(ctx, a.w.env, asking.URL) {
		_, _ = fmt.Fprintf(a.w.err, "\r\nkeybearer: %s. Answer at %s\r\n", sentence(q), asking.URL)
	}
	answers, err := asking.Wait(ctx)
	return answers["choice"] == "yes", err
}

func (a *asker) close(ctx context.Context) error {
	if a.door == nil {
		return nil
	}
	return a.door.Close(ctx)
}

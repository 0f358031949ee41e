//go:build unix

package child

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// defaultGrace is how long a program has to end after it was told to.
const defaultGrace = 5 * time.Second

// run starts the program and attends to it until it has ended.
func run(ctx context.Context, c Config, path string, env []string) (int, error) {
	// The child asks the system to be told when we die, which Linux understands as the thread that started
	// it (prctl(2), PR_SET_PDEATHSIG): this one must not end before it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	signals, changes := make(chan os.Signal, 64), make(chan os.Signal, 1)
	signal.Notify(signals, taken()...)
	defer signal.Stop(signals)
	signal.Notify(changes, syscall.SIGCHLD)
	defer signal.Stop(changes)

	process, stop, err := start(c, path, env)
	w := watch{process: process, grace: c.grace(), signals: signals, changes: changes}
	if err != nil && process != nil { // it has been killed
		w.untilEnd(ctx)
	}
	if err != nil {
		return whyNot(path, err)
	}
	if stop != nil {
		defer stop()
	}
	return w.untilEnd(ctx), nil
}

// whyNot gives code and sentence for a start that failed.
func whyNot(path string, err error) (int, error) {
	if refused, ok := errors.AsType[notRun](err); ok {
		_, code, err := failedStart(path, refused.error)
		return code, err
	}
	return CodeFailed, err
}

// notRun is the system's refusal to run the program itself.
type notRun struct{ error }

func (e notRun) Unwrap() error { return e.error }

// taken are the signals that we do not leave to their default, which is to end or stop us. One that is
// ignored, as nohup does with SIGHUP, is left so, and the child inherits that: a signal that we
// handled it would get with its default.
func taken() []os.Signal {
	all := []os.Signal{
		syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP,
		syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT,
	}
	return slices.DeleteFunc(all, signal.Ignored)
}

// start gives the process, also if it has failed on its way to become the program, and what to call when it has ended, or nil.
func start(c Config, path string, env []string) (process *os.Process, stop func(), err error) {
	if c.Isolate {
		return startIsolated(c, path, env)
	}
	process, err = os.StartProcess(path, c.Argv, &os.ProcAttr{Dir: c.Dir, Env: env, Files: c.streams(), Sys: attributes()})
	if err != nil {
		return nil, nil, notRun{err}
	}
	return process, nil, nil
}

// watch is one goroutine for all that happens to a running child. Only it signals the child and only
// it waits for it, so that no signal can go to another process that was given the number of one that has ended.
type watch struct {
	process *os.Process
	grace   time.Duration
	signals <-chan os.Signal
	changes <-chan os.Signal

	stopped bool
	stops   int // how often it was
	killing bool
}

// untilEnd gives the exit code.
func (w *watch) untilEnd(ctx context.Context) int {
	defer func() { _ = w.process.Release() }()
	over, kill := ctx.Done(), (<-chan time.Time)(nil)
	for {
		if code, ended := w.look(); ended {
			return code
		}
		select {
		case <-w.changes:
		case s := <-w.signals:
			if code, ended := w.pass(s.(syscall.Signal)); ended {
				return code
			}
		case <-over:
			over, kill = nil, time.After(w.grace)
			w.send(syscall.SIGTERM)
			w.send(syscall.SIGCONT) // one that is stopped would not hear it
		case <-kill:
			w.killAll()
		}
	}
}

// look takes all that the system has to tell about the child.
func (w *watch) look() (code int, ended bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(w.process.Pid, &status, syscall.WNOHANG|syscall.WUNTRACED|syscall.WCONTINUED, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil: // ECHILD: somebody else has waited for it, and the code is lost
			return CodeFailed, true
		case pid == 0:
			return 0, false
		case status.Exited():
			return status.ExitStatus(), true
		case status.Signaled():
			return CodeSignal + int(status.Signal()), true
		case status.Continued():
			w.stopped = false
		case status.Stopped():
			w.stopped = true
			w.stops++
			w.stopToo()
		}
	}
}

// pass gives a signal to the child that it has not got already: what a terminal's keys send goes to the whole
// process group in the foreground, and so does what a shell's fg sends.
func (w *watch) pass(s syscall.Signal) (code int, ended bool) {
	switch s {
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP:
		if inForeground() {
			return 0, false
		}
	case syscall.SIGCONT:
		// One that comes late must not continue a child that was stopped anew meanwhile.
		before := w.stops
		code, ended = w.look()
		if ended || !w.stopped || w.stops != before {
			return code, ended
		}
	}
	w.send(s)
	return 0, false
}

func (w *watch) send(s syscall.Signal) {
	_ = w.process.Signal(s) // it may have ended: look will tell
}

// stopToo stops us as the child was stopped, so that the shell that started us takes the terminal back;
// what continues us, its fg, continues the whole group, and is passed on, too. Without a shell nobody would.
func (w *watch) stopToo() {
	if hasShell() && !w.killing {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}

// hasShell guesses whether something watches over our job that would continue us.
func hasShell() bool {
	session, err := unix.Getsid(0)
	return err == nil && session != os.Getpid() && terminalGroup() >= 0
}

func inForeground() bool { return terminalGroup() == syscall.Getpgrp() }

// terminalGroup gives the process group in the foreground of our terminal, or -1 without one.
func terminalGroup() int {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		return -1
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	if err != nil {
		return -1
	}
	return group
}

// killAll ends the child and what it has started. Its process group is our own, unless it has made one for
// itself, so it is by descent that they are found, where the system tells that. They are stopped first, until no new one is
// found: one that is killed leaves those below it to nobody, and one that runs can start another meanwhile.
func (w *watch) killAll() {
	w.killing = true
	w.send(syscall.SIGSTOP)
	var all []int
	for found := true; found; {
		found = false
		for _, pid := range descendants(w.process.Pid) {
			if !slices.Contains(all, pid) {
				all, found = append(all, pid), true
				_ = syscall.Kill(pid, syscall.SIGSTOP)
			}
		}
	}
	if group, err := syscall.Getpgid(w.process.Pid); err == nil && group == w.process.Pid {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
	w.send(syscall.SIGKILL)
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func (c Config) grace() time.Duration {
	if c.Grace > 0 {
		return c.Grace
	}
	return defaultGrace
}

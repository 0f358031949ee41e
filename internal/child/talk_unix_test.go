//go:build unix

package child_test

import (
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// listen prints the signals that arrive, and counts interrupts.
func listen(interrupts *atomic.Int32) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGCONT)
	go func() { // it ends with the process
		for s := range signals {
			if s == unix.SIGINT {
				interrupts.Add(1)
			}
			fmt.Println("got", unix.SignalName(s.(unix.Signal)), answer("size"))
		}
	}()
}

func answer(question string) string {
	switch question {
	case "tty":
		return fmt.Sprint("tty ", term.IsTerminal(0), term.IsTerminal(1), term.IsTerminal(2))
	case "size":
		width, height, err := term.GetSize(1)
		return fmt.Sprint(width, "x", height, " ", err == nil)
	case "group": // is the child in its parent's process group?
		group, err := unix.Getpgid(os.Getppid())
		return fmt.Sprint("group ", err == nil && group == unix.Getpgrp())
	}
	return "you said " + question
}

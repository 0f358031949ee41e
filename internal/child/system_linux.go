package child

import (
	"bytes"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
)

// attributes let the child know when we are killed: its connections are gone with us. It is as if its terminal had
// gone; where that is to be survived (nohup), it is told to end.
func attributes() *syscall.SysProcAttr {
	if signal.Ignored(syscall.SIGHUP) {
		return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	}
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGHUP}
}

// descendants gives the processes that a process has started, and they in turn, as far as they are still
// below it.
func descendants(pid int) []int {
	children := map[int][]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		// "123 (any name) S 45 …", proc_pid_stat(5): the name may hold spaces and parentheses
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) < 2 {
			continue
		}
		own, err1 := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, err2 := strconv.Atoi(string(fields[1]))
		if err1 == nil && err2 == nil {
			children[parent] = append(children[parent], own)
		}
	}
	var below []int
	for next := children[pid]; len(next) > 0; next = next[1:] {
		below = append(below, next[0])
		next = append(next, children[next[0]]...)
	}
	return below
}

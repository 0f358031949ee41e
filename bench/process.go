package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const benchKey = "arc_A-KEY-FOR-MEASURING-ONLY"

// process is a server that is measured.
type process struct {
	name string
	url  string
	cmd  *exec.Cmd
	log  *os.File
	took time.Duration // from start to the first healthy answer
}

// begin starts a command and waits until it answers with 200.
func begin(ctx context.Context, name, dir, url, health string, cmd *exec.Cmd) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	p := &process{name: name, url: url, cmd: cmd, log: log}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+health, nil)
		if err != nil {
			return nil, errors.Join(err, p.stop())
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				p.took = time.Since(started)
				return p, nil
			}
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(log.Name())
			return nil, errors.Join(fmt.Errorf("%s did not answer; it said: %s", name, said), p.stop())
		case <-look.C:
		}
	}
}

func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	err := p.cmd.Wait()
	return errors.Join(err, p.log.Close())
}

// end stops a program of others, whatever it says to that.
func (p *process) end() error {
	_ = p.stop()
	return nil
}

// resident is the process's memory that is in RAM, in MiB.
func (p *process) resident() (float64, error) { return memory(p.cmd.Process.Pid, "VmRSS:") }

// memory reads a line of what the kernel tells of a process's memory, in MiB (Linux).
func memory(pid int, line string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for text := range strings.Lines(string(status)) {
		if fields := strings.Fields(text); len(fields) == 3 && fields[0] == line {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("the kernel does not tell %s", line)
}

// cpu is the processor time that the process has used, user and system (Linux, 100 ticks a second).
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // behind the command's name
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("the kernel does not tell the processor time")
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// startBare starts this program again as the bare handler, which answers everything with the bytes of
// a file.
func startBare(ctx context.Context, dir string, body []byte) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.CommandContext(ctx, self, "-bare", address)
	cmd.Env = append(os.Environ(), bareBody+"="+string(body))
	return begin(ctx, "bare", dir, "http://"+address, "/", cmd)
}

const bareBody = "KEYBEARER_BENCH_BODY"

// serveBare is the limit that the engine is compared with: net/http, and nothing else.
func serveBare(ctx context.Context, address string) error {
	body := []byte(os.Getenv(bareBody))
	server := &http.Server{Addr: address, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})}
	return serveUntilTold(ctx, server)
}

// serveUntilTold serves until the process is told to end.
func serveUntilTold(ctx context.Context, server *http.Server) error {
	done := make(chan error, 1)
	go func() { done <- server.ListenAndServe() }() // received below
	terminated := make(chan os.Signal, 1)
	notify(terminated)
	select {
	case <-ctx.Done():
	case <-terminated:
	case err := <-done:
		return err
	}
	err := server.Close()
	if served := <-done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

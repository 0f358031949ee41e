package engine_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/postgrestest"
	"github.com/keybearer/keybearer/secret"
)

// cutter stands between an engine and its database, and once breaks all that is connected: the server has had
// the message by then, and its answer is lost.
type cutter struct {
	net.Listener
	work sync.WaitGroup

	mu       sync.Mutex
	conns    []net.Conn
	messages int // from the engine
	at       int // the message that is the last one
}

func newCutter(t *testing.T, to string, at int) *cutter {
	t.Helper()
	l := must[net.Listener](t)(new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"))
	c := &cutter{Listener: l, at: at}
	c.work.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, near, far)
			c.mu.Unlock()
			c.work.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
			c.work.Go(func() { c.forward(far, near) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.cut()
		c.work.Wait()
	})
	return c
}

// forward passes on what the engine sends, and cuts behind the message whose turn it is.
func (c *cutter) forward(far, near net.Conn) {
	defer far.Close()
	piece := make([]byte, 64<<10)
	for {
		n, err := near.Read(piece)
		if err != nil {
			return
		}
		if _, err := far.Write(piece[:n]); err != nil {
			return
		}
		c.mu.Lock()
		c.messages++
		now := c.messages == c.at
		c.mu.Unlock()
		if now {
			c.cut()
		}
	}
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// startThrough starts an engine for the first time whose database goes away for a moment at one message,
// tries what it has announced, and gives the number of messages.
func (l *lab) startThrough(t *testing.T, at int) int {
	t.Helper()
	direct := must[*url.URL](t)(url.Parse(postgrestest.Database(t)))
	c := newCutter(t, direct.Host, at)
	through := *direct
	through.Host = c.Addr().String()
	o, _, said := l.prepare(t, storedAt(through.String()))
	e, err := engine.Start(t.Context(), o)
	if err != nil {
		t.Errorf("cut at message %d: got %v, want it to start", at, err)
		return c.messages
	}
	c.mu.Lock()
	messages := c.messages
	c.mu.Unlock()
	l.announced(t, e, said.String())
	stop(t, e)
	return messages
}

// announced checks that the key and the password that an engine showed are those that it knows.
func (l *lab) announced(t *testing.T, e *engine.Engine, said string) {
	t.Helper()
	var key, password string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "API key (shown this once): "); ok && key == "" {
			key = text
		} else if _, text, ok := strings.Cut(line, "password "); ok && password == "" {
			password = text
		} else {
			t.Errorf("got %d lines of announcements, want a key and a password, each once", strings.Count(said, "\n"))
		}
	}
	ctx := context.WithoutCancel(t.Context())
	if _, err := e.Broker().Authenticate(ctx, secret.New(key)); err != nil {
		t.Errorf("the key that was shown: %v", err)
	}
	if _, err := e.Broker().SignIn(ctx, "admin", secret.New(password)); err != nil {
		t.Errorf("the password that was shown: %v", err)
	}
}

func TestPostgresCutAnywhereInTheFirstStart(t *testing.T) {
	l := newLab(t)
	l.env = nil
	messages := l.startThrough(t, 0)
	// All hundred would take a minute: each run tries some others.
	for at := 1 + rand.IntN(8); at <= messages; at += 8 {
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			t.Parallel()
			l.startThrough(t, at)
		})
	}
}

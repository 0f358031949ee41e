package main

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// echo is a server that says everything back until its test ends.
func echo(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		work.Wait()
	})
	return l.Addr().String()
}

func TestRelayCutsAndStalls(t *testing.T) {
	r, err := newRelay(t.Context(), echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", r.address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	say := func(c net.Conn) error {
		if _, err := c.Write([]byte("hello")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 5))
		return err
	}

	c := dial()
	if err := say(c); err != nil {
		t.Fatalf("through an open relay: %v", err)
	}
	r.stall()
	heard := make(chan error, 1)
	go func() { heard <- say(c) }()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := <-heard; err == nil {
		t.Error("bytes came through a stalled relay")
	}
	r.mend()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Errorf("what was held back did not come after the mending: %v", err)
	}
	r.cut()
	if err := say(c); err == nil {
		t.Error("a connection survived the cut")
	}
	if err := say(dial()); err == nil {
		t.Error("a new connection came about while the relay was cut")
	}
	r.mend()
	if err := say(dial()); err != nil {
		t.Errorf("after the mending: %v", err)
	}
}

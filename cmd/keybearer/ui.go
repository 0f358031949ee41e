package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/internal/desk"
	"github.com/keybearer/keybearer/internal/login"
)

// uiFlags are the ui command's.
type uiFlags struct {
	homeFlags
	port, callbackPort int
	noBrowser          bool
}

func uiCommand(w world) *cobra.Command {
	var f uiFlags
	c := &cobra.Command{
		Use: "ui", Short: "Show your connections as a page in the browser", Args: noArgs,
		Long: "Show your connections, the log and what can be connected as a page in the browser, with buttons. It is served on this\n" +
			"machine only, to the browser that comes first, and ends with Ctrl-C, or after an hour in which nobody used it.",
		RunE: func(c *cobra.Command, _ []string) error { return runUI(c.Context(), w, &f) },
	}
	f.add(c)
	c.Flags().IntVar(&f.port, "port", 0, "the port of the page on loopback (default: a free one)")
	c.Flags().IntVar(&f.callbackPort, "callback-port", login.DefaultPort, "the port on loopback that providers send the browser back to, open while a login is under way")
	c.Flags().BoolVar(&f.noBrowser, "no-browser", false, "open no browser here, and print the address")
	return c
}

func runUI(ctx context.Context, w world, f *uiFlags) (err error) {
	cfg := behindDoor(w, f.callbackPort)
	cfg.Actor = "ui"
	h, err := f.open(ctx, w, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close(context.WithoutCancel(ctx))) }()
	d, err := desk.Open(ctx, desk.Config{
		Home: &deskHome{home: h, w: w, f: f}, Port: f.port,
		Log: slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	if err := invited(ctx, w, f, d.URL()); err != nil {
		ended, end := context.WithCancel(ctx)
		end()
		_, stopErr := d.Run(ended)
		return errors.Join(err, stopErr)
	}
	idle, err := d.Run(ctx)
	if idle && err == nil {
		_, err = fmt.Fprintf(w.err, "Nobody has used the page for %s, so it has ended. Start it again: keybearer ui\n", ago(desk.DefaultIdle))
	}
	return err
}

// invited brings the person to the page. Its address is printed only where no browser opens: it lets in whoever comes
// first.
func invited(ctx context.Context, w world, f *uiFlags, url string) error {
	if f.json {
		return printJSON(w.out, map[string]string{"url": url})
	}
	if !f.noBrowser && login.Browser(ctx, w.env, url) {
		_, err := fmt.Fprintf(w.err, "Your connections are open in your browser. Ctrl-C ends the page.\n")
		return err
	}
	_, err := fmt.Fprintf(w.err, "Open this address in a browser on this machine; it works once. Ctrl-C ends the page.\n\n  %s\n\n", url)
	return err
}

// loginTime is how long the person may take over a login.
const loginTime = 5 * time.Minute

// deskHome is what the desk does, by a home and by the same login as at the terminal.
type deskHome struct {
	home home
	w    world
	f    *uiFlags
}

var _ desk.Home = (*deskHome)(nil)

// Login implements [desk.Home]. The port that the provider sends the browser back to is open as long as it takes.
func (h *deskHome) Login(ctx context.Context, wish desk.Wish, show func(desk.Step) bool) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, loginTime, errors.New("the time is over"))
	defer cancel()
	l := h.loggingIn(wish, show)
	if local, ok := h.home.(*localHome); ok {
		if l.door, err = login.Open(ctx, h.f.callbackPort); err != nil {
			return err
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			err = errors.Join(err, l.door.Close(ctx))
		}()
		l.serve(local)
	}
	return forPeople(l.connect(ctx))
}

package tool

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/secret"
)

// The environment that [Run] reads, each with the name that Arcade's programs have for it.
const (
	engineVariable = "KEYBEARER_ENGINE_URL"
	keyVariable    = "KEYBEARER_API_KEY"
	userVariable   = "KEYBEARER_USER_ID"
	workerVariable = "KEYBEARER_WORKER_SECRET"
	tokenVariable  = "KEYBEARER_MCP_TOKEN"
)

func arcadeName(variable string) string {
	switch variable {
	case engineVariable:
		return "ARCADE_API_URL"
	case keyVariable:
		return "ARCADE_API_KEY"
	case userVariable:
		return "ARCADE_USER_ID"
	case workerVariable:
		return "ARCADE_WORKER_SECRET"
	}
	return ""
}

// ErrUsage is the error of arguments that are none; what they should be was printed.
var ErrUsage = errors.New("usage")

// World is what a program of tools runs in.
type World struct {
	Args           []string // without the program's name
	Stdin          io.ReadCloser
	Stdout, Stderr io.Writer
	Getenv         func(string) string
}

// Main serves a kit as the command line says, until SIGINT or SIGTERM, and ends the program. It is all of a program's main.
func Main(k *Kit) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := Run(ctx, k, World{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv})
	stop()
	switch {
	case errors.Is(err, ErrUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const usage = `%[1]s %[2]s: %[3]s

  stdio                     serve MCP over standard input and output (the default)
  mcp    --listen ADDRESS   serve MCP over streamable HTTP; ADDRESS is 127.0.0.1:8000 unless it is given
  worker --listen ADDRESS   serve an engine by the worker protocol; ADDRESS is 127.0.0.1:8002 unless it is given

Environment:
  KEYBEARER_ENGINE_URL, KEYBEARER_API_KEY, KEYBEARER_USER_ID
                            where stdio and mcp get authorizations, by which key, for whom
                            (or ARCADE_API_URL, ARCADE_API_KEY, ARCADE_USER_ID)
  KEYBEARER_WORKER_SECRET   what the worker and its engine share (or ARCADE_WORKER_SECRET)
  KEYBEARER_MCP_TOKEN       what clients of mcp send as Bearer; needed where others than this machine reach it
`

// Run serves a kit as the arguments say: stdio (also without any), mcp or worker. It returns when ctx ends, or over stdio when the client
// has gone; [ErrUsage] for arguments that are none.
func Run(ctx context.Context, k *Kit, w World) error {
	if w.Getenv == nil {
		w.Getenv = os.Getenv
	}
	if err := k.check(); err != nil {
		return err
	}
	kind, rest := "stdio", w.Args
	if len(rest) > 0 {
		kind, rest = rest[0], rest[1:]
	}
	flags := flag.NewFlagSet(kind, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	listen := flags.String("listen", map[string]string{"mcp": "127.0.0.1:8000", "worker": "127.0.0.1:8002"}[kind], "")
	err := flags.Parse(rest)
	switch {
	case err != nil || flags.NArg() > 0 || kind != "stdio" && kind != "mcp" && kind != "worker":
		fmt.Fprintf(w.Stderr, usage, k.Name, k.Version, k.Description)
		if kind == "help" || kind == "-h" || kind == "--help" || errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return ErrUsage
	case kind == "worker":
		shared := w.variable(workerVariable)
		if shared == "" {
			return fmt.Errorf("a worker needs a secret, the one that its engine has: set %s", workerVariable)
		}
		return serve(ctx, w, *listen, "the worker "+k.Name+" is serving", WorkerHandler(k, secret.New(shared)), func() {})
	}
	from, err := w.source()
	if err != nil {
		return err
	}
	if kind == "stdio" {
		err := MCPServer(k, from).Run(ctx, &mcp.IOTransport{Reader: w.Stdin, Writer: nopCloser{w.Stdout}})
		if ctx.Err() != nil || errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	token := secret.New(w.Getenv(tokenVariable))
	if token.IsZero() && !loopback(*listen) {
		return fmt.Errorf("others than this machine could reach %s, and use the tools as you: set %s, which clients then send as Bearer", *listen, tokenVariable)
	}
	s := MCPServer(k, from)
	return serve(ctx, w, *listen, "the MCP server "+k.Name+" is serving", overHTTP(s, token), func() {
		for session := range s.Sessions() {
			_ = session.Close() // its stream would hold the server up
		}
	})
}

// variable reads a variable by our name of it, or by Arcade's.
func (w *World) variable(name string) string {
	if value := w.Getenv(name); value != "" {
		return value
	}
	if other := arcadeName(name); other != "" {
		return w.Getenv(other)
	}
	return ""
}

// source is the engine that the environment names, if any.
func (w *World) source() (Source, error) {
	address, key, user := w.variable(engineVariable), w.variable(keyVariable), w.variable(userVariable)
	if address == "" {
		return nobody{env: w.Getenv}, nil
	}
	if key == "" || user == "" {
		return nil, fmt.Errorf("%s names an engine: set %s and %s, too", engineVariable, keyVariable, userVariable)
	}
	c, err := client.New(address, secret.New(key))
	if err != nil {
		return nil, err
	}
	return &engineSource{client: c, user: user, env: w.Getenv}, nil
}

// loopback reports whether only this machine reaches an address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// serve serves HTTP until ctx ends, then calls leave, and gives requests ten seconds to end.
func serve(ctx context.Context, w World, address, what string, handler http.Handler, leave func()) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w: choose another one with --listen", address, err)
	}
	log := slog.New(slog.NewTextHandler(w.Stderr, nil))
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }() // received below
	log.Info(what, "url", "http://"+l.Addr().String())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	leave()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = server.Shutdown(ending)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-served
	return err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

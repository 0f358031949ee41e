package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/ca"
	"github.com/keybearer/keybearer/internal/child"
	"github.com/keybearer/keybearer/internal/proxy"
	"github.com/keybearer/keybearer/internal/vault"
)

const (
	// lookLocal and lookRemote are between two looks for connections that have changed elsewhere.
	lookLocal  = 300 * time.Millisecond
	lookRemote = 5 * time.Second
	// longRun is one after which the vault is tidied.
	longRun = 10 * time.Second
	// proxyGrace is how long requests may go on when the agent has ended.
	proxyGrace = 2 * time.Second
)

// runFlags are the run command's.
type runFlags struct {
	homeFlags
	policy      policyFlags
	as          string
	connections []string
	isolate     bool
	ask         string
	verbose     bool
}

func runCommand(w world) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use: "run [flags] -- COMMAND [ARGUMENT...]", Short: "Run an agent that uses your connections and never holds their tokens",
		Long: "Run a program behind a proxy of its own, for as long as it runs. Requests to the hosts of your connections get the\n" +
			"credential there; all else passes untouched. In the program's environment are placeholders under the names that it reads,\n" +
			"and nothing that opens your vault. Flags end at the first word that is none. docs/local.md is the guide.",
		Example: "  keybearer run -- claude\n  keybearer run --as review-bot --isolate -- python agent.py",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("there is no program to run: name it, as in `%s -- claude`", c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runAgent(c.Context(), w, &f, args) },
	}
	c.Flags().SetInterspersed(false)
	f.add(c)
	_ = c.Flags().MarkHidden("json") // the output is the program's
	f.policy.add(c)
	c.Flags().StringVar(&f.as, "as", "", "the name of the run, for policy.yaml and the log (default: the program's)")
	c.Flags().StringSliceVar(&f.connections, "connection", nil, "only these connections, as provider or provider/name, with commas")
	c.Flags().BoolVar(&f.isolate, "isolate", false, "no other way to the network than the proxy (Linux)")
	c.Flags().StringVar(&f.ask, "ask", "auto", "where a policy's questions are asked: terminal, browser, never, or auto")
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "show what the proxy does, on the standard error")
	return c
}

// exited ends a command with the exit code of the program that it ran.
type exited int

func (e exited) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// runAgent opens the home, starts the proxy, runs the program, and ends both. Once the program runs, what Ctrl-C means
// is its decision: ctx, which ends with it, is for what comes before.
func runAgent(ctx context.Context, w world, f *runFlags, argv []string) (err error) {
	log := slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: map[bool]slog.Level{true: slog.LevelDebug, false: slog.LevelError}[f.verbose]}))
	name := cmp.Or(f.as, runName(argv[0]))
	h, err := f.open(ctx, w, vault.Config{Actor: "run:" + name, Log: log})
	if err != nil {
		return err
	}
	early := ctx
	ctx = context.WithoutCancel(ctx)
	defer func() { err = errors.Join(err, h.Close(ctx)) }()
	policy, err := f.policy.open(w)
	if err != nil {
		return err
	}
	asker, err := newAsker(w, f.ask)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, asker.close(ctx)) }()
	served, err := startProxy(ctx, h, policy, asker.ask, log, "127.0.0.1:0", true) // what is on the person's own networks the program reaches by itself, too
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, served.stop(ctx)) }()
	routes, err := h.Routes(ctx)
	if err != nil {
		return err
	}
	agent, hosts, err := admitted(name, routes, f.connections)
	if err != nil {
		return err
	}
	credentials, err := served.proxy.Admit(agent)
	if err != nil {
		return err
	}
	tellProblems(w, routes)
	if early.Err() != nil {
		return keybearer.Errorf(keybearer.Unavailable, "stopped before the program was started")
	}
	at, began := served.listener.Addr(), time.Now()
	code, err := child.Run(ctx, child.Config{
		Argv: argv, Env: os.Environ(), Strip: []string{"KEYBEARER_*"}, Set: credentials.Env,
		Proxy: credentials.URL(at), Hosts: hosts, CA: served.authority.PEM(), Isolate: f.isolate,
	})
	if err != nil {
		return errors.Join(err, exited(code))
	}
	if time.Since(began) > longRun { // nobody is to wait longer for a short one
		if err := tidy(ctx, h); err != nil {
			log.Error("what is over could not be removed from the vault", "error", err)
		}
	}
	if code != 0 {
		return exited(code)
	}
	return nil
}

// runName is what a run is called after its program.
func runName(program string) string {
	name := strings.Map(func(r rune) rune {
		if r <= ' ' || r == ':' || r >= 0x7f {
			return '_'
		}
		return r
	}, strings.TrimSuffix(filepath.Base(program), ".exe"))
	return name[:min(len(name), 100)]
}

// admitted is the agent with the connections that it may use, and the hosts that those serve.
func admitted(name string, routes []keybearer.Route, only []string) (proxy.Agent, []string, error) {
	agent := proxy.Agent{Name: name}
	for _, text := range only {
		provider, connection, _ := strings.Cut(text, "/")
		r, err := find(routes, keybearer.ProviderID(provider), connection)
		if err != nil {
			return agent, nil, err
		}
		agent.Connections = append(agent.Connections, r.Ref)
	}
	var hosts []string
	for i := range routes {
		hosts = append(hosts, hostsOf(&routes[i])...)
	}
	return agent, hosts, nil
}

// hostsOf are the hosts that a connection serves, sites included.
func hostsOf(r *keybearer.Route) []string {
	hosts := make([]string, 0, len(r.API.Hosts)+len(r.API.Replace)+len(r.Sites))
	for _, h := range r.API.All() {
		h = strings.TrimPrefix(strings.TrimPrefix(h, "http://"), "https://")
		host, _, _ := strings.Cut(h, "/")
		hosts = append(hosts, host)
	}
	for _, s := range r.Sites {
		if u, err := url.Parse(s.URL); err == nil && u.Host != "" {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}

// tellProblems says before the program starts which connections give no token.
func tellProblems(w world, routes []keybearer.Route) {
	if len(routes) == 0 {
		_, _ = fmt.Fprintln(w.err, "keybearer: you have no connections yet, so nothing gets a credential. Make one, also while this runs: keybearer login PROVIDER")
	}
	for i := range routes {
		if r := &routes[i]; r.Problem != "" {
			_, _ = fmt.Fprintf(w.err, "keybearer: %s gives no token: %s\n", title(r), r.Problem)
		}
	}
}

// served is a proxy that is being served.
type served struct {
	proxy     *proxy.Proxy
	authority *ca.Authority
	listener  net.Listener
	work      chan error
	watched   chan struct{}
	end       context.CancelFunc
}

// startProxy starts a proxy on the connections of a home, and keeps it up to date. Private lets tunnels lead to private
// networks.
func startProxy(ctx context.Context, h home, policy proxy.Policy, ask func(context.Context, proxy.Question) (bool, error), log *slog.Logger, address string, private bool) (*served, error) {
	s := &served{work: make(chan error, 1), watched: make(chan struct{})}
	var err error
	if s.authority, err = ca.New(nil); err != nil {
		return nil, err
	}
	changed, pause := newsOf(h)
	s.proxy, err = proxy.New(ctx, proxy.Config{
		Source: h, Authority: s.authority, Policy: policy, Record: h.Record, Ask: ask, Refresh: changed, Log: log,
		Private: private,
		Upstream: func(u *url.URL) (*url.URL, error) {
			return http.ProxyFromEnvironment(&http.Request{URL: u})
		},
	})
	if err != nil {
		return nil, err
	}
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err != nil {
		return nil, errors.Join(fmt.Errorf("opening a port for the proxy: %w", err), s.proxy.Close(ctx))
	}
	go func() { s.work <- s.proxy.Serve(s.listener) }()
	watching, end := context.WithCancel(ctx)
	s.end = end
	go func() {
		defer close(s.watched)
		watch(watching, s.proxy, pause, log)
	}()
	return s, nil
}

// newsOf is how one hears that connections have changed, and how often to look.
func newsOf(h home) (func(context.Context) (bool, error), time.Duration) {
	if local, ok := h.(*localHome); ok {
		return local.vault.Changed, lookLocal
	}
	return func(context.Context) (bool, error) { return true, nil }, lookRemote
}

// watch keeps a proxy up to date until ctx ends.
func watch(ctx context.Context, p *proxy.Proxy, pause time.Duration, log *slog.Logger) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.Look(ctx); err != nil && ctx.Err() == nil {
			log.Warn("the connections could not be read anew; the former are used", "error", err)
		}
	}
}

// stop ends the proxy, after the requests that are under way, if they end soon.
func (s *served) stop(ctx context.Context) error {
	s.end()
	<-s.watched
	ctx, cancel := context.WithTimeout(ctx, proxyGrace)
	defer cancel()
	err := s.proxy.Close(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // a stream that nobody reads any more
	}
	return errors.Join(err, <-s.work)
}

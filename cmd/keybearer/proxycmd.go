package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/child"
	"github.com/keybearer/keybearer/internal/vault"
)

// proxyFlags are the proxy command's.
type proxyFlags struct {
	homeFlags
	policy  policyFlags
	listen  string
	out     string
	agents  []string
	private bool
	verbose bool
}

func proxyCommand(w world) *cobra.Command {
	var f proxyFlags
	c := &cobra.Command{
		Use: "proxy --agent NAME...", Short: "Run the proxy as a service, for agents that something else starts", Args: noArgs,
		Long: "Run the proxy until it is stopped, for agents that run in containers or are started by something else. Each --agent gets a\n" +
			"secret and placeholders of its own, in a file of the folder --out that only its owner can read (NAME.env, to be sourced\n" +
			"or given to a container that has the folder at the same place), beside the certificate to trust. policy.yaml names agents under runs.\n\n" +
			"An agent is a name, and after a colon the connections that it may use: --agent review:github,atlassian/work",
		RunE: func(c *cobra.Command, _ []string) error { return runProxy(c.Context(), w, &f) },
	}
	f.add(c)
	f.policy.add(c)
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:7997", "the address to listen on")
	c.Flags().StringVar(&f.out, "out", "", "the folder for the agents' files")
	c.Flags().StringArrayVar(&f.agents, "agent", nil, "an agent, as NAME or NAME:CONNECTION,CONNECTION; may be repeated")
	c.Flags().BoolVar(&f.private, "private", false, "let agents through to private networks, too")
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "show what the proxy does")
	return c
}

func runProxy(ctx context.Context, w world, f *proxyFlags) (err error) {
	if len(f.agents) == 0 || f.out == "" {
		return usageError{errors.New("name at least one --agent, and the folder --out for what it has to know")}
	}
	stopping := context.WithoutCancel(ctx)
	log := slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: map[bool]slog.Level{true: slog.LevelDebug, false: slog.LevelWarn}[f.verbose]}))
	h, err := f.open(ctx, w, vault.Config{Actor: "proxy", Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close(stopping)) }()
	policy, err := f.policy.open(w)
	if err != nil {
		return err
	}
	served, err := startProxy(ctx, h, policy, nil, log, f.listen, f.private)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, served.stop(stopping)) }()
	routes, err := h.Routes(ctx)
	if err != nil {
		return err
	}
	if err := makeFolder(f.out); err != nil {
		return err
	}
	if err := writeOwn(filepath.Join(f.out, "ca.pem"), served.authority.PEM()); err != nil {
		return err
	}
	for _, text := range f.agents {
		name, only, _ := strings.Cut(text, ":")
		if err := f.furnish(served, name, only, routes); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(w.out, "The proxy listens on %s; what the agents have to know is in %s. Stop it with Ctrl-C.\n", served.listener.Addr(), f.out); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// furnish lets an agent in, and writes down what it has to know.
func (f *proxyFlags) furnish(s *served, name, only string, routes []keybearer.Route) error {
	var connections []string
	if only != "" {
		connections = strings.Split(only, ",")
	}
	agent, hosts, err := admitted(name, routes, connections)
	if err != nil {
		return err
	}
	credentials, err := s.proxy.Admit(agent)
	if err != nil {
		return err
	}
	if filepath.Base(name) != name {
		return usageError{fmt.Errorf("the agent %q cannot be a file's name", name)}
	}
	folder := filepath.Join(f.out, "certificates")
	if err := makeFolder(folder); err != nil {
		return err
	}
	env, err := child.Surroundings(child.Config{
		Env: os.Environ(), Set: credentials.Env, Proxy: credentials.URL(s.listener.Addr()), Hosts: hosts, CA: s.authority.PEM(),
	}, folder)
	if err != nil {
		return err
	}
	return writeOwn(filepath.Join(f.out, name+".env"), agentFile(env))
}

// agentFile is the environment of an agent, as lines that a shell and a container's --env-file both take, if no value
// needs quotes.
func agentFile(env []string) []byte {
	slices.Sort(env)
	var text strings.Builder
	for _, line := range env {
		text.WriteString(oneLine(line) + "\n")
	}
	return []byte(text.String())
}

// makeFolder makes a folder for its owner only, or takes the one that is there.
func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder for the agents' files: %w", err)
	}
	return nil
}

// writeOwn writes a file that only its owner can read, in place of one of another start.
func writeOwn(path string, text []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

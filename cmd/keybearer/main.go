// Command keybearer is the engine, its sandbox and the tools around them; `keybearer help` lists the
// commands. Each command is one file here; what they do is in the packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/child"
)

// version is set by the linker.
var version = "devel"

func main() {
	child.Enter() // becomes the program of an isolated run, if that is what this process was started for
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // who is tired of an orderly stop can end the process with a second signal
	code := run(ctx, os.Args[1:], world{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv})
	stop()
	os.Exit(code)
}

// world is what a command may touch.
type world struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
}

// getenv gives "" for what is not set.
func (w world) getenv(name string) string {
	text, _ := w.env(name)
	return text
}

// run executes one command line and gives the exit code: 0, 2 for wrong usage, or that of the
// error's kind (docs/cli.md has the table).
func run(ctx context.Context, args []string, w world) int {
	root := rootCommand(w)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[exited](err); ok {
		if others := err.Error(); others != code.Error() {
			_, _ = fmt.Fprintf(w.err, "keybearer: %s\n", strings.TrimSuffix(others, "\n"+code.Error()))
		}
		return int(code)
	}
	if !errors.Is(err, errSaid) {
		_, _ = fmt.Fprintf(w.err, "keybearer: %v\n", err)
	}
	return exitCode(err)
}

// rootCommand is the table of contents.
func rootCommand(w world) *cobra.Command {
	root := &cobra.Command{
		Use:   "keybearer",
		Short: "Hold the keys that people lend to their agents",
		Long: "Keybearer gets a person's consent at an OAuth 2.0 server once, keeps the grant sealed and fresh,\n" +
			"and gives agents and tools exactly the access they need.\n\n" +
			"Start with `keybearer dev`: an engine and a local Atlassian to click through, without any account.",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(w.in)
	root.SetOut(w.out)
	root.SetErr(w.err)
	root.SetVersionTemplate("keybearer {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w. See `%s --help`", err, c.CommandPath())}
	})
	root.AddGroup(
		&cobra.Group{ID: "laptop", Title: "On a laptop, with your own vault (or an engine, with --engine):"},
		&cobra.Group{ID: "engine", Title: "The engine, and its sandbox:"},
		&cobra.Group{ID: "remote", Title: "Operating a running engine:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("laptop", loginCommand(w), runCommand(w), listCommand(w), getCommand(w), exportCommand(w), inspectCommand(w), logoutCommand(w),
		setDefaultCommand(w), registerCommand(w), removeCommand(w), revokeCommand(w), scanCommand(w), logCommand(w), uiCommand(w),
		proxyCommand(w), whoamiCommand(w), rekeyCommand(w), doctorCommand(w))
	add("engine", serveCommand(w), devCommand(w), sandboxCommand(w), configCommand(w), backupCommand(w), restoreCommand(w), migrateCommand(w), toolkitCommand(w))
	add("remote", apikeyCommand(w), accountCommand(w), providerCommand(w), connectionCommand(w), keysCommand(w), workerCommand(w), toolCommand(w), mcpCommand(w))
	root.AddCommand(versionCommand(w))
	for _, group := range append(root.Commands(), root) {
		if group.HasSubCommands() && group.RunE == nil {
			group.Args, group.RunE = noSuchCommand, func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
	return root
}

// errSaid ends a command that has already said what is wrong.
var errSaid = errors.New("said already")

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func exitCode(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	if _, ok := errors.AsType[*keybearer.Error](err); ok {
		return keybearer.KindOf(err).ExitCode()
	}
	return 1
}

// noArgs refuses arguments with a message that names the command.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%q is not understood: `%s` takes no arguments. See `%s --help`", args[0], c.CommandPath(), c.CommandPath())}
	}
	return nil
}

// noSuchCommand refuses arguments of a command that only groups others.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("there is no command \"%s %s\". See `%s --help`", c.CommandPath(), args[0], c.CommandPath())}
	}
	return nil
}

// oneArg wants exactly one argument, called what.
func oneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("give one %s. See `%s --help`", what, c.CommandPath())}
		}
		return nil
	}
}

func versionCommand(w world) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(w.out, "keybearer", version)
			return err
		},
	}
}

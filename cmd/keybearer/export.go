package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

// exportFlags are the export command's.
type exportFlags struct {
	homeFlags
	connection, format string
}

func exportCommand(w world) *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use: "export [PROVIDER]", Short: "Print tokens as environment variables, for programs that cannot be run behind the proxy",
		Long: "Print live tokens under the names that programs read, of one provider or of all. Prefer `keybearer run`: there the\n" +
			"program never has them. Refresh tokens are never exported.",
		Example: "  eval \"$(keybearer export github --format shell)\"\n  keybearer export --format dotenv > .env",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if f.json {
				f.format = "json"
			}
			write, ok := exportFormats()[f.format]
			if !ok {
				return usageError{fmt.Errorf("--format %q is not known: env, shell, dotenv or json", f.format)}
			}
			return f.with(c.Context(), w, func(h home) error {
				routes, err := h.Routes(c.Context())
				if err != nil {
					return err
				}
				if len(args) == 1 {
					one, err := find(routes, keybearer.ProviderID(args[0]), f.connection)
					if err != nil {
						return err
					}
					routes = []keybearer.Route{*one}
				}
				values := map[string]string{}
				for i := range routes {
					r := &routes[i]
					if r.Problem != "" && len(args) == 0 {
						_, _ = fmt.Fprintf(w.err, "keybearer: %s is left out: %s\n", title(r), r.Problem)
						continue
					}
					token, err := h.Token(c.Context(), r.Ref)
					if err != nil {
						return advised(err, r)
					}
					exported(values, r, &token)
				}
				_, _ = fmt.Fprintln(w.err, "keybearer: these are live tokens: whoever reads them can use them")
				return write(w.out, values)
			})
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.connection, "connection", "", "which of several connections (default: the default one)")
	c.Flags().StringVar(&f.format, "format", "env", "env, shell, dotenv or json")
	return c
}

// exported adds the variables of a connection. Where two connections have the same name, the default one keeps it, and
// the other's has its own name behind.
func exported(values map[string]string, r *keybearer.Route, token *keybearer.Token) {
	env := r.API.Env
	if len(env) == 0 {
		env = map[string]string{variable(string(r.Ref.Provider)) + "_ACCESS_TOKEN": oauth.EnvToken}
	}
	for name, what := range env {
		switch what {
		case oauth.EnvToken:
			what = token.Access.Reveal()
		case oauth.EnvUsername:
			what = token.Username
		case oauth.EnvServerURL:
			what = r.ServerURL
		}
		if what == "" {
			continue
		}
		if _, taken := values[name]; taken || !r.Default {
			name += "__" + variable(string(r.Ref.Provider)+"_"+nameOf(r))
		}
		values[name] = what
	}
}

// variable is a text as a part of a variable's name.
func variable(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(text))
}

// exportFormats write variables, sorted by name.
func exportFormats() map[string]func(io.Writer, map[string]string) error {
	lines := func(form string, quote func(string) string) func(io.Writer, map[string]string) error {
		return func(out io.Writer, values map[string]string) error {
			for _, name := range slices.Sorted(maps.Keys(values)) {
				if _, err := fmt.Fprintf(out, form, name, quote(values[name])); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return map[string]func(io.Writer, map[string]string) error{
		"env":    lines("%s=%s\n", oneLine),
		"shell":  lines("export %s=%s\n", shellQuoted),
		"dotenv": lines("%s=%s\n", dotenvQuoted),
		"json":   func(out io.Writer, values map[string]string) error { return printJSON(out, values) },
	}
}

// oneLine takes line ends out, which would begin another variable.
func oneLine(text string) string { return strings.NewReplacer("\n", "", "\r", "").Replace(text) }

// shellQuoted is a text as one word of a POSIX shell.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// dotenvQuoted is a text as readers of .env files understand it without expanding anything in it.
func dotenvQuoted(text string) string {
	if !strings.ContainsAny(text, "'\n\r") {
		return "'" + text + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "$", `\$`).Replace(text) + `"`
}

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// getFlags are the get command's.
type getFlags struct {
	homeFlags
	connection, field string
	show, force       bool
}

func getCommand(w world) *cobra.Command {
	var f getFlags
	c := &cobra.Command{
		Use: "get PROVIDER", Short: "Show a connection; its token only where you say so", Args: oneArg("provider"),
		Long: "Show a connection. The token is masked; --show-secret prints it, renewed if it is about to end. Where the output is no\n" +
			"terminal, --show-secret needs --force: what is printed there may be kept. Refresh tokens are never shown.",
		RunE: func(c *cobra.Command, args []string) error {
			if f.show && !f.force && !isTerminal(w.out) {
				return usageError{errors.New("--show-secret prints a live token, and this output is no terminal: add --force if that is meant")}
			}
			return f.with(c.Context(), w, func(h home) error {
				routes, err := h.Routes(c.Context())
				if err != nil {
					return err
				}
				r, err := find(routes, keybearer.ProviderID(args[0]), f.connection)
				if err != nil {
					return err
				}
				token, err := h.Token(c.Context(), r.Ref)
				if err != nil {
					return advised(err, r)
				}
				if r.ExpiresAt = token.ExpiresAt; f.show {
					return printGot(w, &f, r, token.Access.Reveal())
				}
				return printGot(w, &f, r, masked(token.Access))
			})
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.connection, "connection", "", "which of several connections (default: the default one)")
	c.Flags().StringVar(&f.field, "field", "", "print one field alone: token, username, status, expires_at, scopes, hosts or sites")
	c.Flags().BoolVar(&f.show, "show-secret", false, "print the token as it is")
	c.Flags().BoolVar(&f.force, "force", false, "also where the output is no terminal")
	return c
}

// got is what get prints in JSON.
type got struct {
	shownConnection
	Token string `json:"token"`
	// Masked: Token is not the token.
	Masked bool `json:"masked"`
}

func printGot(w world, f *getFlags, r *keybearer.Route, token string) error {
	one := got{shownConnection: shown(r, time.Now()), Token: token, Masked: !f.show}
	fields := [][]string{
		{"provider", one.Provider},
		{"connection", one.Connection},
		{"kind", one.Kind},
		{"status", one.Status},
		{"ends", horizon(r, time.Now())},
		{"scopes", strings.Join(one.Scopes, ",")},
		{"hosts", strings.Join(one.Hosts, ",")},
		{"sites", strings.Join(one.Sites, ",")},
		{"username", one.Username},
		{"token", token},
	}
	if f.field != "" {
		if f.field == "expires_at" && !one.ExpiresAt.IsZero() {
			fields = append(fields, []string{"expires_at", one.ExpiresAt.UTC().Format(time.RFC3339)})
		}
		for _, pair := range fields {
			if pair[0] == f.field {
				_, err := fmt.Fprintln(w.out, pair[1])
				return err
			}
		}
		return usageError{fmt.Errorf("--field %q is not there", f.field)}
	}
	if f.json {
		return printJSON(w.out, one)
	}
	var rows [][]string
	for _, pair := range fields {
		if pair[1] != "" {
			rows = append(rows, pair)
		}
	}
	return table(w.out, rows)
}

// masked tells of a token how long it is, and its last four characters if it is long enough for that to say little.
func masked(token secret.String) string {
	text := token.Reveal()
	if len(text) < 24 {
		return "••••"
	}
	return fmt.Sprintf("••••%s (%d characters)", text[len(text)-4:], len(text))
}

// advised says which command helps.
func advised(err error, r *keybearer.Route) error {
	if !errors.Is(err, keybearer.Reauthorize) {
		return err
	}
	command := "keybearer login " + string(r.Ref.Provider)
	if r.Ref.Name != "" {
		command += " --connection " + r.Ref.Name
	}
	return keybearer.Errorf(keybearer.Reauthorize, "%w; run: %s", err, command)
}

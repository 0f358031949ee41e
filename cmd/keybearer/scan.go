package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joho/godotenv"
	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// maxEnvFile bounds an env file, in bytes.
const maxEnvFile = 1 << 20

// The results of a scan for a variable.
const (
	scanSame      = "same"       // the vault has the same value
	scanDifferent = "different"  // the vault has another one
	scanNotStored = "not stored" // the vault has none
)

// scanned is a variable that was found, and what it is to a provider. It never holds the value.
type scanned struct {
	Variable string `json:"variable"`
	Where    string `json:"where"`
	Provider string `json:"provider"`
	Result   string `json:"result"`
	Imported bool   `json:"imported"`

	value secret.String
}

func scanCommand(w world) *cobra.Command {
	var f homeFlags
	var files []string
	var take bool
	var connection string
	c := &cobra.Command{
		Use: "scan", Short: "Look for API keys in env files and in the environment, and compare them with your connections", Args: noArgs,
		Long: "Look into the .env files of this folder and into the environment for variables that programs read for a known provider,\n" +
			"and tell whether your vault has the same value, another one or none. --import stores those that are missing as API keys,\n" +
			"so that the files can go. No value is ever printed.",
		RunE: func(c *cobra.Command, _ []string) error {
			found, err := scan(w, files)
			if err != nil {
				return err
			}
			return f.with(c.Context(), w, func(h home) error { return compare(c, w, &f, h, found, take, connection) })
		},
	}
	f.add(c)
	c.Flags().StringArrayVar(&files, "file", nil, "an env file to read; may be repeated (default: .env and .env.* here)")
	c.Flags().BoolVar(&take, "import", false, "store the keys of providers that have no connection of that name")
	c.Flags().StringVar(&connection, "connection", "", "with --import: the name of the connections to make")
	return c
}

// scan finds variables in files, then in the environment. The first place wins.
func scan(w world, files []string) ([]scanned, error) {
	if len(files) == 0 {
		for _, pattern := range []string{".env", ".env.*"} {
			names, _ := filepath.Glob(pattern) // the patterns are well-formed
			files = append(files, names...)
		}
	}
	variables := knownVariables()
	var found []scanned
	seen := map[string]bool{}
	add := func(where string, lookup func(string) string) {
		for _, name := range slices.Sorted(maps.Keys(variables)) {
			value := lookup(name)
			if value == "" || seen[name] {
				continue
			}
			seen[name] = true
			for _, provider := range variables[name] {
				if d, _ := catalog.Definition(provider); d.API.FitsKey(value) {
					found = append(found, scanned{Variable: name, Where: where, Provider: provider, value: secret.New(value)})
					break
				}
			}
		}
	}
	for _, path := range files {
		values, err := readEnvFile(path)
		if err != nil {
			return nil, err
		}
		add(path, func(name string) string { return values[name] })
	}
	add("the environment", w.getenv)
	return found, nil
}

func readEnvFile(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, keybearer.Errorf(keybearer.NotFound, "reading an env file: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxEnvFile))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	values, err := godotenv.UnmarshalBytes(data)
	if err != nil { // its message has the line that it cannot read, and so perhaps a key
		return nil, keybearer.Errorf(keybearer.BadRequest, "%s is not understood: write one NAME=value in a line", path)
	}
	return values, nil
}

// knownVariables are those that hold a credential of a bundled provider, with the providers: those of keys alone first.
func knownVariables() map[string][]string {
	known := map[string][]string{}
	for _, kind := range catalog.Kinds() {
		d, _ := catalog.Definition(kind)
		for name, what := range d.API.Env {
			if what == oauth.EnvToken {
				known[name] = append(known[name], kind)
			}
		}
	}
	for _, kinds := range known {
		slices.SortStableFunc(kinds, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	}
	return known
}

func rank(kind string) int {
	if d, _ := catalog.Definition(kind); d.KeysOnly() {
		return 0
	}
	return 1
}

// compare tells of each variable what the vault has, and stores what is missing where that is wanted.
func compare(c *cobra.Command, w world, f *homeFlags, h home, found []scanned, take bool, connection string) error {
	routes, err := h.Routes(c.Context())
	if err != nil {
		return err
	}
	for i := range found {
		one := &found[i]
		provider := keybearer.ProviderID(one.Provider)
		one.Result = scanNotStored
		if r, err := find(routes, provider, connection); err == nil {
			one.Result = scanDifferent
			if token, err := h.Token(c.Context(), r.Ref); err == nil && token.Access.Equal(one.value) {
				one.Result = scanSame
			}
		}
		if !take || one.Result != scanNotStored {
			continue
		}
		if err := importKey(c, h, provider, connection, one.value); err != nil {
			return fmt.Errorf("storing %s of %s: %w", one.Variable, one.Where, err)
		}
		one.Imported = true
		if routes, err = h.Routes(c.Context()); err != nil {
			return err
		}
	}
	if f.json {
		if found == nil {
			found = []scanned{}
		}
		return printJSON(w.out, map[string]any{"found": found})
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(w.out, "No variable of a known provider was found.")
		return err
	}
	rows := [][]string{{"VARIABLE", "WHERE", "PROVIDER", "VAULT"}}
	for _, one := range found {
		result := one.Result
		if one.Imported {
			result = "stored now"
		}
		rows = append(rows, []string{one.Variable, one.Where, one.Provider, result})
	}
	return table(w.out, rows)
}

// importKey stores a key as a connection, and installs its provider for that.
func importKey(c *cobra.Command, h home, provider keybearer.ProviderID, connection string, key secret.String) error {
	there, err := h.Providers(c.Context())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(there, func(p installed) bool { return p.ID == provider }) {
		if err := h.Install(c.Context(), keybearer.ProviderDraft{ID: provider, Type: string(provider)}); err != nil {
			return err
		}
	}
	name, err := keybearer.ConnectionName(connection)
	if err != nil {
		return err
	}
	kind := keybearer.APIKey
	if d, _ := catalog.Definition(string(provider)); !d.KeysOnly() && strings.HasPrefix(string(provider), "atlassian") {
		kind = keybearer.PersonalAccessToken
	}
	return h.Connect(c.Context(), keybearer.Ref{User: h.User(), Provider: provider, Name: name}, keybearer.Credential{Kind: kind, Secret: key})
}

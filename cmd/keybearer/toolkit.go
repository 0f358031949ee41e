package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/tool"
	"github.com/keybearer/keybearer/toolkit/atlassiantools"
)

// gatewayVariable is another address in place of Atlassian's gateway.
const gatewayVariable = "KEYBEARER_ATLASSIAN_GATEWAY"

func toolkitCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "toolkit", Short: "Serve the bundled tools for Jira or Confluence, by MCP or to an engine",
		Long: "Serve the bundled tools for Jira or Confluence: to one person's agent by MCP, or to an engine, which lends them the token of\n" +
			"the user that they are called for. docs/toolkit.md lists the tools and their scopes.",
	}
	at := atlassiantools.Config{Gateway: w.getenv(gatewayVariable)}
	c.AddCommand(toolkitOf(w, "jira", atlassiantools.Jira(at)), toolkitOf(w, "confluence", atlassiantools.Confluence(at)))
	return c
}

// toolkitOf leaves what follows to the package tool, which has the same words for every program of tools.
func toolkitOf(w world, name string, kit *tool.Kit) *cobra.Command {
	return &cobra.Command{
		Use: name + " [stdio | mcp | worker]", Short: "Serve the tools for " + kit.Name, DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				switch args[0] {
				case "stdio", "mcp", "worker", "help", "-h", "--help":
				default:
					return usageError{fmt.Errorf("%q is not understood: give stdio, mcp or worker. See `%s --help`", args[0], c.CommandPath())}
				}
			}
			in, ok := w.in.(io.ReadCloser)
			if !ok {
				in = io.NopCloser(w.in)
			}
			err := tool.Run(c.Context(), kit, tool.World{Args: args, Stdin: in, Stdout: w.out, Stderr: w.err, Getenv: w.getenv})
			if errors.Is(err, tool.ErrUsage) {
				return usageError{err}
			}
			return err
		},
	}
}

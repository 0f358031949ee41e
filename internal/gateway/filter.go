package gateway

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/workers"
)

// Gateway is a choice of tools at an address of its own, /mcp/{id}, and of those who may use them. The zero Gateway lets
// everybody use everything that the engine lets them.
type Gateway struct {
	ID string
	// Allow and Deny are patterns of tool names, as of path.Match, in any case: "Jira.*". What is denied is not
	// there though it is allowed. No Allow means all.
	Allow, Deny []string
	// ReadOnly leaves the tools that say of themselves that they only read.
	ReadOnly bool
	// Users is a pattern of user ids, as of path.Match; "" means all.
	Users string
	// Callers are names as the audit has them ("key:ci", "user:alice"); none means all.
	Callers []string
}

// Check says what is wrong with a gateway, if anything.
func (g *Gateway) Check() error {
	for _, pattern := range slices.Concat(g.Allow, g.Deny, []string{g.Users}) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("gateway %s: the pattern %q cannot be read", g.ID, pattern)
		}
	}
	return nil
}

// admits reports whether somebody may use the gateway at all.
func (g *Gateway) admits(p person) bool {
	if len(g.Callers) > 0 && !slices.Contains(g.Callers, p.view.Caller().Name) {
		return false
	}
	return g.Users == "" || matches(g.Users, string(p.user))
}

// offers reports whether a tool is there.
func (g *Gateway) offers(t *workers.Tool) bool {
	if g.ReadOnly {
		m := t.Definition.Metadata
		if m == nil || m.Behavior == nil || m.Behavior.ReadOnly == nil || !*m.Behavior.ReadOnly {
			return false
		}
	}
	name := strings.ToLower(t.Definition.QualifiedName)
	named := func(pattern string) bool { return matches(strings.ToLower(pattern), name) }
	return (len(g.Allow) == 0 || slices.ContainsFunc(g.Allow, named)) && !slices.ContainsFunc(g.Deny, named)
}

func matches(pattern, text string) bool {
	ok, err := path.Match(pattern, text)
	return err == nil && ok
}

// person is who uses a gateway: for whom, and with whose rights.
type person struct {
	view *keybearer.View
	user keybearer.UserID
}

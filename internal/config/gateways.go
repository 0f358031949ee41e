package config

import (
	"fmt"
	"path"
	"strconv"
)

// Gateway is a choice of tools at an MCP address of its own, /mcp/{id}. The address /mcp has all tools.
type Gateway struct {
	// ID is the end of the address.
	ID string `yaml:"id" jsonschema:"required,minLength=1,maxLength=100,pattern=^[a-z0-9][a-z0-9_-]*$"`
	// Tools are those that are there.
	Tools GatewayTools `yaml:"tools,omitempty"`
	// Users is a pattern of the user ids that may use it, like *@example.com. Empty: all.
	Users string `yaml:"users,omitempty" jsonschema:"maxLength=256"`
	// Keys are the names of the API keys that may use it. Empty: all, and people who sign in.
	Keys []string `yaml:"keys,omitempty" jsonschema:"maxItems=100"`
}

// GatewayTools are the tools of a gateway, by patterns of their names, like Jira.*; case does not matter.
type GatewayTools struct {
	// Allow are the tools that are there. Empty: all.
	Allow []string `yaml:"allow,omitempty" jsonschema:"maxItems=1000"`
	// Deny are tools that are not, though they are allowed.
	Deny []string `yaml:"deny,omitempty" jsonschema:"maxItems=1000"`
	// ReadOnly leaves the tools that say of themselves that they only read.
	ReadOnly bool `yaml:"read_only,omitempty" jsonschema:"default=false"`
}

func (c *checker) gateways() {
	seen := map[string]int{}
	for i, g := range c.cfg.Gateways {
		at := []string{"gateways", strconv.Itoa(i)}
		if before, ok := seen[g.ID]; ok && g.ID != "" {
			c.wrong(fmt.Sprintf("%s is already the id of gateways[%d]; use another", c.shownAs(g.ID, append(at, "id")...), before), append(at, "id")...)
		} else {
			seen[g.ID] = i
		}
		c.pattern(g.Users, append(at, "users")...)
		for j, p := range g.Tools.Allow {
			c.pattern(p, append(at, "tools", "allow", strconv.Itoa(j))...)
		}
		for j, p := range g.Tools.Deny {
			c.pattern(p, append(at, "tools", "deny", strconv.Itoa(j))...)
		}
	}
}

func (c *checker) pattern(text string, at ...string) {
	if _, err := path.Match(text, ""); err != nil {
		c.wrong(c.shownAs(text, at...)+" is not a pattern; \"*\" stands for any characters, \"?\" for one, and \"[\" opens a set that \"]\" closes", at...)
	}
}

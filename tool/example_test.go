package tool_test

import (
	"context"
	"net/http"
	"strings"

	"github.com/keybearer/keybearer/secret"
	"github.com/keybearer/keybearer/tool"
)

// A tool that needs nothing of anybody. One that calls an API on behalf of its user says so with tool.Requires, and sends its requests by
// c.HTTP(), which carries the user's token.
func Example() {
	type in struct {
		Text string `json:"text" jsonschema:"what to say louder"`
	}
	type out struct {
		Text string `json:"text"`
	}
	shout := tool.New("Shout", "Says something louder.", func(_ context.Context, c *tool.Call, in in) (out, error) {
		c.Log("info", "shouting for "+c.User())
		return out{strings.ToUpper(in.Text)}, nil
	}, tool.ReadOnly(), tool.Idempotent())

	kit := &tool.Kit{Name: "Voice", Version: "1.0.0", Description: "Says things.", Tools: []*tool.Tool{shout}}
	_ = http.ListenAndServe("127.0.0.1:8000", tool.MCPHandler(kit, nil, secret.String{})) // or, for all of it, tool.Main(kit)
}

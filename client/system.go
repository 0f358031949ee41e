package client

import (
	"context"
	"net/http"

	"github.com/keybearer/keybearer/api"
)

// Health asks whether the engine can serve: no error means that it can. It needs no key.
// Kind: Unavailable, when there is no answer or the engine says that it cannot.
func (c *Client) Health(ctx context.Context) error {
	var out api.Health
	return c.do(ctx, request{op: "asking for the engine's health", method: http.MethodGet, path: "/v1/health", into: &out})
}

// Config tells what the engine says of itself before anybody signs in. It needs no key.
func (c *Client) Config(ctx context.Context) (api.Config, error) {
	var out api.Config
	err := c.do(ctx, request{op: "asking for the engine's configuration", method: http.MethodGet, path: "/v1/config", into: &out})
	return out, err
}

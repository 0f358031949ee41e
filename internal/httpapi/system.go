package httpapi

import (
	"context"
	_ "embed"
	"net/http"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// openapi.json is made from the route table and the types of package api by
//
//	go test ./internal/httpapi -run OpenAPI -update
//
//go:embed openapi.json
var openapi []byte

func swagger(*call) (rawJSON, error) { return openapi, nil }

// longestCheck is what the health check may take.
const longestCheck = 5 * time.Second

// health is open to everybody, so the details of what is wrong go to the log alone.
func health(c *call) (api.Health, error) {
	ctx, cancel := context.WithTimeout(c.ctx(), longestCheck)
	defer cancel()
	err := c.Health(ctx)
	if err == nil {
		return api.Health{Healthy: true}, nil
	}
	c.Log.WarnContext(ctx, "the engine is not healthy", "error", err)
	c.status = http.StatusServiceUnavailable
	reason := "the engine has a problem of its own: see its log"
	if keybearer.KindOf(err) == keybearer.Unavailable {
		reason = "the storage cannot be used: see the engine's log"
	}
	return api.Health{Reason: reason}, nil
}

func config(c *call) (api.Config, error) {
	return api.Config{
		OAuth2: api.OAuth2Config{CallbackURLTemplate: c.Broker.RedirectURITemplate()},
		Engine: api.EngineConfig{Name: "keybearer", Version: c.Version},
	}, nil
}

package workers

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/keybearer/keybearer"
)

// Config is what a [Toolbox] is made of.
type Config struct {
	// Broker is needed.
	Broker *keybearer.Broker
	// Project is the tenant whose scheduled tools run; "" means the default one.
	Project keybearer.ProjectID
	// HTTP gives the client for calls to workers of an origin; nil means [http.DefaultClient]. Its time limits for
	// answers do not hold: each worker has its own.
	HTTP func(keybearer.Origin) *http.Client
	// Log takes what an operator should see; nil means nothing.
	Log *slog.Logger
	// Now is the clock of scheduled runs; nil means time.Now.
	Now func() time.Time
	// Version is this program's, which MCP servers are told.
	Version string
	// PublicURL is where tools find the engine: what they are told as coordinator_url.
	PublicURL string
	// ListFor is how long a worker's list of tools is used without asking again; 0 means 10 seconds.
	ListFor time.Duration
	// MaxAnswer bounds a worker's answer to a call, in bytes; 0 means 8 MiB.
	MaxAnswer int64
	// RunEvery is how often scheduled runs are looked for; 0 means every second.
	RunEvery time.Duration
}

func (c *Config) fill() {
	if c.Project == "" {
		c.Project = keybearer.DefaultProject
	}
	if c.HTTP == nil {
		c.HTTP = func(keybearer.Origin) *http.Client { return http.DefaultClient }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ListFor == 0 {
		c.ListFor = 10 * time.Second
	}
	if c.MaxAnswer == 0 {
		c.MaxAnswer = 8 << 20
	}
	if c.RunEvery == 0 {
		c.RunEvery = time.Second
	}
}

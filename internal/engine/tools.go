package engine

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/egress"
	"github.com/keybearer/keybearer/internal/gateway"
	"github.com/keybearer/keybearer/internal/workers"
	"github.com/keybearer/keybearer/secret"
)

// fileWorkers turns the file's workers into those of the Broker, their secrets sealed.
func fileWorkers(cfg *config.Config, sealer keybearer.Sealer) ([]keybearer.Worker, error) {
	var static []keybearer.Worker
	for _, d := range cfg.Tools.Directors {
		for i := range d.Workers {
			entry := &d.Workers[i]
			if !entry.Enabled {
				continue
			}
			w := entry.Stored()
			var secrets keybearer.WorkerSecrets
			if entry.HTTP != nil {
				secrets.Shared = entry.HTTP.Secret
			}
			if entry.MCP != nil {
				w.Headers, secrets.Named = hiddenHeaders(entry.MCP.Headers)
			}
			if err := w.SealSecrets(sealer, secrets); err != nil {
				return nil, err
			}
			static = append(static, w)
		}
	}
	return static, nil
}

// hiddenHeaders makes a secret of each header's value: what is written in the file may be one, and the API shows headers.
func hiddenHeaders(headers map[string]string) (map[string]string, map[string]secret.String) {
	hidden, named := map[string]string{}, map[string]secret.String{}
	for i, name := range slices.Sorted(maps.Keys(headers)) {
		id := fmt.Sprintf("HEADER_%d", i+1)
		hidden[name], named[id] = "${secret:"+id+"}", secret.New(headers[name])
	}
	return hidden, named
}

// newTools makes the toolbox and the MCP door on it.
func (e *Engine) newTools(cfg *config.Config, version string) {
	operator, public := egress.Patient(egress.Operator()), egress.Patient(egress.Public(cfg.Security.AllowNetworks))
	if cfg.API.Development {
		public = operator
	}
	e.tools = workers.New(workers.Config{
		Broker: e.broker, Log: e.log, Now: e.now, Version: version, PublicURL: e.public,
		HTTP: func(o keybearer.Origin) *http.Client {
			if o == keybearer.FromFile {
				return operator
			}
			return public
		},
	})
	var gateways []gateway.Gateway
	for _, g := range cfg.Gateways {
		callers := make([]string, len(g.Keys))
		for i, name := range g.Keys {
			callers[i] = "key:" + name
		}
		gateways = append(gateways, gateway.Gateway{
			ID: g.ID, Allow: g.Tools.Allow, Deny: g.Tools.Deny, ReadOnly: g.Tools.ReadOnly, Users: g.Users, Callers: callers,
		})
	}
	e.gateway = gateway.New(gateway.Config{
		Broker: e.broker, Toolbox: e.tools, PublicURL: e.public, Gateways: gateways, Version: version,
		MaxBody: cfg.API.MaxRequestBodySize, Log: e.log, Now: e.now,
	})
}

// runTools runs scheduled tools until ctx ends.
func (e *Engine) runTools(ctx context.Context) {
	if err := e.tools.Run(ctx); err != nil && ctx.Err() == nil {
		e.log.Error("nobody runs scheduled tools", "error", err)
	}
}

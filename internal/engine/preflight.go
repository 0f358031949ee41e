package engine

import (
	"context"
	"sync"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

// preflights bounds how many servers are looked at at once.
const preflights = 4

// preflight looks at the Data Center servers among the providers, and says in the log what will stand in
// a person's way there. Nothing waits for it.
func (e *Engine) preflight(ctx context.Context, providers []keybearer.Provider) {
	turns := make(chan struct{}, preflights)
	var all sync.WaitGroup
	defer all.Wait()
	for _, p := range providers {
		product, ok := atlassian.DataCenterProduct(p.Type, p.Definition.Product)
		if !ok || p.Status != keybearer.ProviderActive {
			continue
		}
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			return
		}
		look := atlassian.Preflight{HTTP: e.egress(p.Origin), ServerURL: p.Definition.ServerURL, Product: product}
		if p.ClientID != "" { // else no browser ever comes back
			look.RedirectURI = e.broker.RedirectURI(&p)
		}
		all.Go(func() {
			defer func() { <-turns }()
			e.tellFindings(ctx, &p, look)
		})
	}
}

func (e *Engine) tellFindings(ctx context.Context, p *keybearer.Provider, look atlassian.Preflight) {
	found := look.Run(ctx)
	if ctx.Err() != nil { // the engine stops, which is why nobody answered
		return
	}
	for _, f := range found.Findings {
		e.log.Warn("a provider's server was looked at", "provider", p.ID, "fault", string(f.Fault), "advice", f.Says)
	}
}

package workers

import (
	"context"
	"slices"
	"sync"

	"github.com/keybearer/keybearer"
)

// Toolbox is all tools of all workers. It is safe for concurrent use. Close it after use.
type Toolbox struct {
	cfg     Config
	shelves shelves
	changes changes
	woken   chan struct{}

	// life ends at Close; what goes on in the background runs under it, and behind counts it.
	life   context.Context
	end    context.CancelFunc
	mu     sync.Mutex
	closed bool
	behind sync.WaitGroup
}

// New makes a Toolbox. It calls nobody before it is asked something.
func New(cfg Config) *Toolbox {
	cfg.fill()
	t := &Toolbox{cfg: cfg, woken: make(chan struct{}, 1)}
	t.shelves = shelves{sources: map[keybearer.ProjectID][]*source{}, shelves: map[keybearer.ProjectID]*shelf{}}
	t.life, t.end = context.WithCancel(context.Background())
	return t
}

// begin runs fn in the background, unless the Toolbox is closed.
func (t *Toolbox) begin(fn func(life context.Context)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.behind.Go(func() { fn(t.life) })
	return true
}

// Close ends all sessions with workers, and waits until ctx ends for what goes on in the background. The
// Toolbox must not be used afterwards.
func (t *Toolbox) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.end()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var closing sync.WaitGroup
		t.shelves.mu.Lock()
		for _, sources := range t.shelves.sources {
			for _, s := range sources {
				if s.end != nil {
					closing.Go(s.end.close)
				}
			}
		}
		t.shelves.mu.Unlock()
		closing.Wait()
		t.behind.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Forget drops what is known of workers' tools: the next question asks them again.
func (t *Toolbox) Forget() {
	t.shelves.mu.Lock()
	defer t.shelves.mu.Unlock()
	for _, sources := range t.shelves.sources {
		for _, s := range sources {
			s.forget()
		}
	}
}

// Tools lists the tools that the caller may use, by fully qualified name.
func (t *Toolbox) Tools(ctx context.Context, v *keybearer.View, f Filter) ([]*Tool, error) {
	s, err := t.shelf(ctx, v.Caller().Project, t.cfg.ListFor)
	if err != nil {
		return nil, err
	}
	tools := s.latest
	if f.AllVersions {
		tools = s.all
	}
	tools, err = selected(tools, f)
	if err != nil || len(v.Caller().Providers) == 0 {
		return tools, err
	}
	return within(ctx, v, tools)
}

// within leaves out the tools that need a provider which the caller may not reach.
func within(ctx context.Context, v *keybearer.View, tools []*Tool) ([]*Tool, error) {
	type need struct{ id, provider string }
	reached := map[need]bool{}
	var out []*Tool
	for _, t := range tools {
		ask := t.authorization()
		if ask == nil {
			out = append(out, t)
			continue
		}
		of := need{string(ask.ID), ask.ProviderID}
		reaches, known := reached[of]
		if !known {
			standing, err := v.Standing(ctx, *ask)
			if err != nil {
				return nil, err
			}
			reaches = standing.Problem == ""
			reached[of] = reaches
		}
		if reaches {
			out = append(out, t)
		}
	}
	return out, nil
}

// Tool finds one. Kinds: NotFound, BadRequest.
func (t *Toolbox) Tool(ctx context.Context, v *keybearer.View, name, version string) (*Tool, error) {
	e, err := t.find(ctx, v, name, version)
	return e.tool, err
}

func (t *Toolbox) find(ctx context.Context, v *keybearer.View, name, version string) (entry, error) {
	s, err := t.shelf(ctx, v.Caller().Project, t.cfg.ListFor)
	if err != nil {
		return entry{}, err
	}
	return s.find(name, version)
}

// WorkerTools lists the tools of one worker. Kinds: NotFound, PermissionDenied, Unavailable.
func (t *Toolbox) WorkerTools(ctx context.Context, v *keybearer.View, id keybearer.WorkerID) ([]*Tool, error) {
	w, err := v.Worker(ctx, id)
	if err != nil || !w.Enabled {
		return nil, err
	}
	sources, err := t.sources(ctx, v.Caller().Project)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(sources, func(s *source) bool { return s.worker.ID == id })
	if i < 0 {
		return nil, nil
	}
	t.look(ctx, sources[i], t.cfg.ListFor)
	tools, generation, err := sources[i].have()
	if err != nil && generation == 0 {
		return nil, keybearer.Errorf(keybearer.Unavailable, "the tools of worker %s cannot be listed: %w", id, err)
	}
	return slices.Clone(tools), nil
}

// endpoint makes the way to a worker. It calls nobody.
func (t *Toolbox) endpoint(w *keybearer.Worker, changed func()) (endpoint, error) {
	secrets, err := t.cfg.Broker.WorkerSecrets(w)
	if err != nil {
		return nil, err
	}
	if w.Type == keybearer.WorkerMCP {
		return t.mcpEndpoint(w, secrets, changed), nil
	}
	return t.httpEndpoint(w, secrets), nil
}

package workers

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

// entry is a tool with the worker that has it.
type entry struct {
	tool   *Tool
	source *source
}

// shelf is all tools of a project at one moment. Nobody changes it.
type shelf struct {
	made []made
	// all are all versions, by fully qualified name; latest has each tool once.
	all, latest []*Tool
	// named are the versions of a tool, latest first, by the dotted name; joined leads to dotted names.
	named  map[string][]entry
	joined map[string][]string
}

// made says what a shelf was made of.
type made struct {
	source     *source
	generation uint64
}

// shelves are the sources and shelves of the projects.
type shelves struct {
	mu      sync.Mutex
	sources map[keybearer.ProjectID][]*source
	shelves map[keybearer.ProjectID]*shelf
}

// sources gives those of the enabled workers, sorted by id. Workers that are new or changed get new ones.
func (t *Toolbox) sources(ctx context.Context, project keybearer.ProjectID) ([]*source, error) {
	workers, err := t.cfg.Broker.WorkersOf(ctx, project)
	if err != nil {
		return nil, err
	}
	t.shelves.mu.Lock()
	defer t.shelves.mu.Unlock()
	old := t.shelves.sources[project]
	var now, gone []*source
	for _, w := range workers {
		if !w.Enabled {
			continue
		}
		i := slices.IndexFunc(old, func(s *source) bool { return s.worker.ID == w.ID && sameWorker(&s.worker, &w) })
		if i >= 0 {
			now = append(now, old[i])
			continue
		}
		now = append(now, t.newSource(w))
	}
	for _, s := range old {
		if !slices.Contains(now, s) {
			gone = append(gone, s)
		}
	}
	t.shelves.sources[project] = now
	for _, s := range gone {
		if s.end != nil && !t.begin(func(context.Context) { s.end.close() }) { // which may wait for a process
			s.end.close()
		}
	}
	return now, nil
}

func sameWorker(a, b *keybearer.Worker) bool {
	return a.Origin == b.Origin && a.Version == b.Version && a.UpdatedAt.Equal(b.UpdatedAt) && a.URI == b.URI
}

func (t *Toolbox) newSource(w keybearer.Worker) *source {
	s := &source{worker: w}
	s.end, s.wrong = t.endpoint(&w, func() { s.forget(); t.wake() })
	if s.wrong != nil {
		t.cfg.Log.Error("a worker cannot be used", "worker", w.ID, "error", s.wrong)
	}
	return s
}

// shelf gives the tools of a project. Workers are asked at the same time; one that is slow or away holds nobody up
// for long once it was asked.
func (t *Toolbox) shelf(ctx context.Context, project keybearer.ProjectID, listFor time.Duration) (*shelf, error) {
	sources, err := t.sources(ctx, project)
	if err != nil {
		return nil, err
	}
	var looking sync.WaitGroup
	for _, s := range sources {
		if !s.fresh(listFor) {
			looking.Go(func() { t.look(ctx, s, listFor) })
		}
	}
	looking.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	of := make([]made, len(sources))
	lists := make([][]*Tool, len(sources))
	for i, s := range sources {
		of[i].source = s
		lists[i], of[i].generation, _ = s.have()
	}
	t.shelves.mu.Lock()
	defer t.shelves.mu.Unlock()
	before := t.shelves.shelves[project]
	if before != nil && slices.Equal(before.made, of) {
		return before, nil
	}
	next := t.newShelf(of, lists)
	t.shelves.shelves[project] = next
	if before != nil {
		t.changes.tell()
	}
	return next, nil
}

// newShelf puts lists together. Of two workers with the same tool of the same version the first one by id has it.
func (t *Toolbox) newShelf(of []made, lists [][]*Tool) *shelf {
	next := &shelf{made: of, named: map[string][]entry{}, joined: map[string][]string{}}
	for i, list := range lists {
		for _, tool := range list {
			key := dotted(tool.Definition.QualifiedName)
			versions := next.named[key]
			twin := slices.IndexFunc(versions, func(e entry) bool {
				return e.tool.Definition.Toolkit.Version == tool.Definition.Toolkit.Version
			})
			if twin >= 0 {
				t.cfg.Log.Warn("two workers have the same tool; the first one by id is called", "tool", tool.Definition.FullyQualifiedName,
					"called", versions[twin].source.worker.ID, "left_out", of[i].source.worker.ID)
				continue
			}
			next.named[key] = append(versions, entry{tool, of[i].source})
		}
	}
	next.latest = make([]*Tool, 0, len(next.named))
	for key, versions := range next.named {
		slices.SortStableFunc(versions, func(a, b entry) int {
			return compareVersions(b.tool.Definition.Toolkit.Version, a.tool.Definition.Toolkit.Version)
		})
		next.latest = append(next.latest, versions[0].tool)
		next.joined[joined(key)] = append(next.joined[joined(key)], key)
	}
	slices.SortFunc(next.latest, func(a, b *Tool) int { return strings.Compare(a.Definition.QualifiedName, b.Definition.QualifiedName) })
	for _, tool := range next.latest {
		for _, e := range next.named[dotted(tool.Definition.QualifiedName)] {
			next.all = append(next.all, e.tool)
		}
	}
	return next
}

// find gives the tool of a name. Kinds: NotFound, BadRequest.
func (s *shelf) find(name, version string) (entry, error) {
	name, version, err := splitName(name, version)
	if err != nil {
		return entry{}, err
	}
	versions := s.named[dotted(name)]
	if versions == nil {
		keys := s.joined[joined(name)]
		if len(keys) > 1 {
			return entry{}, keybearer.Errorf(keybearer.BadRequest, "%q may be any of %s: write the name with its dot", oauth.Clean(name, 100), strings.Join(slices.Sorted(slices.Values(keys)), ", "))
		}
		if len(keys) == 1 {
			versions = s.named[keys[0]]
		}
	}
	if versions == nil {
		return entry{}, keybearer.Errorf(keybearer.NotFound, "there is no tool %q: see GET /v1/tools for those that there are", oauth.Clean(name, 100))
	}
	if version == "" {
		return versions[0], nil
	}
	var has []string
	for _, e := range versions {
		if v := e.tool.Definition.Toolkit.Version; v == version {
			return e, nil
		} else {
			has = append(has, v)
		}
	}
	return entry{}, keybearer.Errorf(keybearer.NotFound, "the tool %s has no version %s: there are %s", versions[0].tool.Definition.QualifiedName, version, strings.Join(has, ", "))
}

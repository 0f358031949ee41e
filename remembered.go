package keybearer

import (
	"sync"
	"time"
)

// remembered keeps a project's list for a moment, as the shelf does for providers. What this process
// writes is seen at once, what others write within shelfLife.
type remembered[T any] struct {
	mu    sync.Mutex
	lists map[ProjectID]rememberedList[T]
	// cleared counts the calls of clear: what was read before one of them may be stale.
	cleared uint64
}

type rememberedList[T any] struct {
	items []T
	until time.Time
}

// get gives the list, which is shared, and reads it where it is not known.
func (r *remembered[T]) get(project ProjectID, read func() ([]T, error)) ([]T, error) {
	now := time.Now() // not the broker's clock, which tests move
	r.mu.Lock()
	list, ok := r.lists[project]
	seen := r.cleared
	r.mu.Unlock()
	if ok && now.Before(list.until) {
		return list.items, nil
	}
	items, err := read()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cleared != seen {
		return items, nil
	}
	if r.lists == nil {
		r.lists = map[ProjectID]rememberedList[T]{}
	}
	r.lists[project] = rememberedList[T]{items, now.Add(shelfLife)}
	return items, nil
}

func (r *remembered[T]) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists = nil
	r.cleared++
}

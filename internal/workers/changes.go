package workers

import (
	"sync"
)

// changes are those who want to hear that the list of tools has changed.
type changes struct {
	mu      sync.Mutex
	hearers map[chan struct{}]struct{}
}

func (c *changes) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for hearer := range c.hearers {
		select {
		case hearer <- struct{}{}:
		default:
		}
	}
}

func (c *changes) any() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.hearers) > 0
}

// Changed gives a channel that gets a value after the list of tools has changed, and a function that ends that.
// Several changes may be one value. While somebody listens, [Toolbox.Run] looks at the lists by itself.
func (t *Toolbox) Changed() (<-chan struct{}, func()) {
	hearer := make(chan struct{}, 1)
	t.changes.mu.Lock()
	defer t.changes.mu.Unlock()
	if t.changes.hearers == nil {
		t.changes.hearers = map[chan struct{}]struct{}{}
	}
	t.changes.hearers[hearer] = struct{}{}
	return hearer, func() {
		t.changes.mu.Lock()
		defer t.changes.mu.Unlock()
		delete(t.changes.hearers, hearer)
	}
}

// wake makes Run look at the lists now.
func (t *Toolbox) wake() {
	select {
	case t.woken <- struct{}{}:
	default:
	}
}

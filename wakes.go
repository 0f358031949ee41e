package keybearer

import "sync"

// wakes tells waiters in this process that a flow moved. Waiters also look now and then on their
// own, since the flow may move in another process.
type wakes struct {
	mu      sync.Mutex
	waiting map[AuthorizationID]chan struct{}
	count   map[AuthorizationID]int
}

// watch returns a channel that is closed at the flow's next move, and a function to end watching.
func (w *wakes) watch(id AuthorizationID) (<-chan struct{}, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting, w.count = map[AuthorizationID]chan struct{}{}, map[AuthorizationID]int{}
	}
	moved, ok := w.waiting[id]
	if !ok {
		moved = make(chan struct{})
		w.waiting[id] = moved
	}
	w.count[id]++
	return moved, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.waiting[id] != moved { // woken meanwhile
			return
		}
		if w.count[id]--; w.count[id] == 0 {
			delete(w.waiting, id)
			delete(w.count, id)
		}
	}
}

// wake ends the waiting for a flow.
func (w *wakes) wake(id AuthorizationID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if moved, ok := w.waiting[id]; ok {
		close(moved)
		delete(w.waiting, id)
		delete(w.count, id)
	}
}

// wakeAll ends all waiting: news may have been missed.
func (w *wakes) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, moved := range w.waiting {
		close(moved)
	}
	clear(w.waiting)
	clear(w.count)
}

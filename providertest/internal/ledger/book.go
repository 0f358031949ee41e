package ledger

// Book is a bounded map that forgets its oldest entry when it is full. The
// zero Book is not usable; see NewBook.
type Book[V any] struct {
	max     int
	entries map[string]V
	order   []string
}

// NewBook returns a book for at most max entries.
func NewBook[V any](max int) *Book[V] {
	return &Book[V]{max: max, entries: map[string]V{}}
}

// Put stores v under key, replacing what was there.
func (b *Book[V]) Put(key string, v V) {
	if _, known := b.entries[key]; !known {
		b.order = append(b.order, key)
	}
	b.entries[key] = v
	for len(b.entries) > b.max {
		delete(b.entries, b.order[0])
		b.order = b.order[1:]
	}
	// Deleted keys stay in the order until they come to its front; a book
	// that is mostly holes is rewritten.
	if len(b.order) > 2*b.max {
		b.compact()
	}
}

// Get returns the entry under key.
func (b *Book[V]) Get(key string) (V, bool) {
	v, ok := b.entries[key]
	return v, ok
}

// Take returns the entry under key and removes it.
func (b *Book[V]) Take(key string) (V, bool) {
	v, ok := b.entries[key]
	delete(b.entries, key)
	return v, ok
}

// Each calls visit for every entry, in no order.
func (b *Book[V]) Each(visit func(key string, v V)) {
	for k, v := range b.entries {
		visit(k, v)
	}
}

func (b *Book[V]) compact() {
	kept := make([]string, 0, len(b.entries))
	seen := make(map[string]bool, len(b.entries))
	for i := len(b.order) - 1; i >= 0; i-- {
		key := b.order[i]
		if _, ok := b.entries[key]; ok && !seen[key] {
			kept = append(kept, key)
			seen[key] = true
		}
	}
	for i, j := 0, len(kept)-1; i < j; i, j = i+1, j-1 {
		kept[i], kept[j] = kept[j], kept[i]
	}
	b.order = kept
}

package sqlstore

import (
	"sync"

	"github.com/keybearer/keybearer"
)

const (
	defaultCachedRows = 4096
	// maxCachedGrant bounds the bytes that a kept row may have: the bound of the whole is on the count.
	maxCachedGrant = 16 << 10
)

// caches keeps rows in memory that are read with every request. It is right only while nobody else
// writes to the file, so it exists only where the file is held exclusively; a nil *caches keeps
// nothing. Every write through the DB forgets what it may have changed once it is done, whatever came
// of it.
type caches struct {
	conns *cache[keybearer.Ref, keybearer.Connection]
	provs *cache[keybearer.ProjectID, []providerRow]
}

func newCaches(cfg Config) *caches {
	if !cfg.Exclusive || cfg.CachedRows < 0 {
		return nil
	}
	rows := cfg.CachedRows
	if rows == 0 {
		rows = defaultCachedRows
	}
	return &caches{
		conns: newCache[keybearer.Ref, keybearer.Connection](rows),
		provs: newCache[keybearer.ProjectID, []providerRow](64),
	}
}

func (c *caches) connection(ref keybearer.Ref, read func() (keybearer.Connection, error)) (keybearer.Connection, error) {
	if c == nil {
		return read()
	}
	conn, err := c.conns.get(ref, func() (keybearer.Connection, bool, error) {
		conn, err := read()
		return conn, len(conn.Grant) <= maxCachedGrant, err
	})
	if err != nil {
		return keybearer.Connection{}, err
	}
	conn.Scopes, conn.Grant = copied(conn.Scopes), copied(conn.Grant) // the kept ones stay ours
	return conn, nil
}

func (c *caches) forgetConnection(ref keybearer.Ref) {
	if c != nil {
		c.conns.forget(ref)
	}
}

func (c *caches) providers(project keybearer.ProjectID, read func() ([]providerRow, error)) ([]providerRow, error) {
	if c == nil {
		return read()
	}
	return c.provs.get(project, func() ([]providerRow, bool, error) {
		rows, err := read()
		return rows, true, err
	})
}

func (c *caches) forgetProviders(project keybearer.ProjectID) {
	if c != nil {
		c.provs.forget(project)
	}
}

// cache keeps the values that were used of late: two generations, of which the older one is thrown
// away when the younger is full. It holds at most size values.
type cache[K comparable, V any] struct {
	half int

	mu         sync.RWMutex
	young, old map[K]V
	// writes counts the forgets: a value that was read before one of them may be stale.
	writes uint64
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{half: max(1, size/2), young: make(map[K]V), old: make(map[K]V)}
}

// get gives the kept value, or reads it and keeps it if read says so. Errors are not kept.
func (c *cache[K, V]) get(key K, read func() (value V, keep bool, err error)) (V, error) {
	c.mu.RLock()
	value, young := c.young[key]
	old := false
	if !young {
		value, old = c.old[key]
	}
	before := c.writes
	c.mu.RUnlock()
	if young {
		return value, nil
	}
	if !old {
		var (
			keep bool
			err  error
		)
		if value, keep, err = read(); err != nil || !keep {
			return value, err
		}
	}
	c.keep(key, value, before) // also what was old: it is used, so it becomes young
	return value, nil
}

func (c *cache[K, V]) keep(key K, value V, before uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes != before {
		return
	}
	if len(c.young) >= c.half {
		c.young, c.old = make(map[K]V), c.young
	}
	c.young[key] = value
}

func (c *cache[K, V]) forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	delete(c.young, key)
	delete(c.old, key)
}

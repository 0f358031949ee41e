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

// caches keeps connections in memory, which are read with every request. (What else is read as often,
// API keys and providers, the Broker keeps.) It is right only while nobody else
// writes to the file, so it exists only where the file is held exclusively; a nil *caches keeps
// nothing. Every write through the DB forgets what it may have changed once it is done, whatever came
// of it.
type caches struct {
	conns *cache[keybearer.Ref, keybearer.Connection]
	// refs says where in conns an id is. Nobody forgets anything here: what it leads to is compared.
	refs *cache[connectionID, keybearer.Ref]
}

type connectionID struct {
	project keybearer.ProjectID
	id      keybearer.ConnectionID
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
		refs:  newCache[connectionID, keybearer.Ref](rows),
	}
}

func (c *caches) connection(ref keybearer.Ref, read func() (keybearer.Connection, error)) (keybearer.Connection, error) {
	if c == nil {
		return read()
	}
	conn, before, ok := c.conns.find(ref)
	if !ok {
		var err error
		if conn, err = read(); err != nil {
			return keybearer.Connection{}, err
		}
		c.refs.keep(connectionID{conn.Project, conn.ID}, conn.Ref, 0) // who refreshes it goes on by its id
		c.keepConnection(conn, before)
	}
	return owned(conn), nil
}

func (c *caches) connectionByID(project keybearer.ProjectID, id keybearer.ConnectionID, read func() (keybearer.Connection, error)) (keybearer.Connection, error) {
	if c == nil {
		return read()
	}
	at := connectionID{project, id}
	ref, since, known := c.refs.find(at)
	conn, before, ok := c.conns.find(ref)
	if !known || !ok || conn.ID != id {
		var err error
		if conn, err = read(); err != nil {
			return keybearer.Connection{}, err
		}
		c.refs.keep(at, conn.Ref, since)
		c.keepConnection(conn, before)
	}
	return owned(conn), nil
}

func (c *caches) keepConnection(conn keybearer.Connection, before uint64) {
	if len(conn.Grant) <= maxCachedGrant {
		c.conns.keep(conn.Ref, conn, before)
	}
}

// owned gives the caller a connection of its own: the kept one stays ours.
func owned(conn keybearer.Connection) keybearer.Connection {
	conn.Scopes, conn.Grant, conn.Rotation.Token = copied(conn.Scopes), copied(conn.Grant), copied(conn.Rotation.Token)
	return conn
}

func (c *caches) forgetConnection(ref keybearer.Ref) {
	if c != nil {
		c.conns.forget(ref)
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

// find gives the kept value, if there is one. Otherwise before is what keep wants to know of the
// moment at which reading began.
func (c *cache[K, V]) find(key K) (value V, before uint64, ok bool) {
	c.mu.RLock()
	value, young := c.young[key]
	if !young {
		value, ok = c.old[key]
	}
	before = c.writes
	c.mu.RUnlock()
	if ok { // it is used, so it becomes young again
		c.keep(key, value, before)
	}
	return value, before, young || ok
}

// keep keeps a value, unless something was forgotten since before: then it may be stale.
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

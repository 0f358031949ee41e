package proxy

import (
	"context"
	"sync"
	"time"
)

const (
	// refreshPause is between two looks for news, and refreshLife bounds one.
	refreshPause = time.Second
	refreshLife  = 2 * time.Second
)

// news is the look whether the routes have changed, which all share who come in the meantime.
type news struct {
	mu      sync.Mutex
	looking chan struct{} // closed when the look has ended; nil while nobody looks
	last    time.Time
}

// refresh looks whether the routes have changed, reads them anew, and reports whether they are others than
// those that the caller has seen.
func (p *Proxy) refresh(ctx context.Context, seen *table) bool {
	if looking := p.look(); looking != nil {
		select {
		case <-looking:
		case <-ctx.Done():
		}
	}
	return p.table.Load() != seen
}

// look starts a look, or joins the one that is under way. It is nil when the last was a moment ago.
func (p *Proxy) look() chan struct{} {
	p.news.mu.Lock()
	defer p.news.mu.Unlock()
	at := p.now()
	switch since := at.Sub(p.news.last); {
	case p.cfg.Refresh == nil:
		return nil
	case p.news.looking != nil:
		return p.news.looking
	case since >= 0 && since < refreshPause, !p.begin():
		return nil
	}
	done := make(chan struct{})
	p.news.looking, p.news.last = done, at
	go func() {
		defer p.end()
		p.lookOnce()
		p.news.mu.Lock()
		defer p.news.mu.Unlock()
		p.news.looking = nil
		close(done)
	}()
	return done
}

func (p *Proxy) lookOnce() {
	ctx, cancel := context.WithTimeout(p.life, refreshLife)
	defer cancel()
	if err := p.Look(ctx); err != nil {
		p.log.Warn("the routes could not be read anew; the former are used", "error", err)
	}
}

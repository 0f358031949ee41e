package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
)

// maxGroup bounds what one commit waits for.
const maxGroup = 128

// group lets those who wait for the one connection that writes to a file be part of one commit. Most of
// what a write takes is the waiting for the disk, and when many tokens end at once it is what everybody
// waits for. So whoever has his turn takes along the statements of those behind him, each of which
// succeeds or fails by itself, and all are answered when the disk has them.
//
// PostgreSQL does the like for the commits of its connections.
type group struct {
	mu      sync.Mutex
	waiting []*statement
}

// statement is one that waits for its turn. What it does may be done again after it was taken back.
type statement struct {
	*sql.Stmt
	use  func(ctx context.Context, stmt *sql.Stmt) error
	done chan struct{} // closed when err is the answer
	err  error
}

var errUnanswered = errors.New("the database's driver broke off")

// join waits until a statement is done, by whomever.
func (p *pool) join(ctx context.Context, stmt *sql.Stmt, use func(context.Context, *sql.Stmt) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := &statement{Stmt: stmt, use: use, done: make(chan struct{}), err: errUnanswered}
	p.group.add(s)
	for {
		select {
		case <-s.done:
			return s.err
		case p.turn <- struct{}{}:
			p.lead(context.WithoutCancel(ctx), s)
		case <-ctx.Done():
			if p.group.drop(s) {
				return ctx.Err()
			}
			<-s.done // it has begun
			return s.err
		}
	}
}

// lead runs what waits, unless somebody has done the leader's own statement meanwhile, and ends the turn.
func (p *pool) lead(ctx context.Context, own *statement) {
	defer p.end()
	select {
	case <-own.done:
		return
	default:
	}
	batch := p.group.take()
	defer func() {
		for _, s := range batch {
			close(s.done)
		}
	}()
	if len(batch) > 1 && p.runTogether(ctx, batch) {
		return
	}
	for _, s := range batch {
		s.err = s.use(ctx, s.Stmt)
	}
}

// runTogether runs statements in one transaction, and reports whether they have their answers. If one
// fails all is taken back, for each to be run by itself: some failures end the whole transaction.
func (p *pool) runTogether(ctx context.Context, batch []*statement) bool {
	tx, err := p.BeginTx(ctx, nil)
	if err == nil {
		for _, s := range batch {
			if s.use(ctx, tx.StmtContext(ctx, s.Stmt)) != nil {
				_ = tx.Rollback() // the database may have done so itself
				return false
			}
		}
		err = tx.Commit()
	}
	for _, s := range batch {
		s.err = err
	}
	return true
}

func (g *group) add(s *statement) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, s)
}

// take gives those that have waited longest.
func (g *group) take() []*statement {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxGroup)
	batch := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return batch
}

// drop takes a statement out, and reports whether it was still waiting.
func (g *group) drop(s *statement) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, s)
	if i < 0 {
		return false
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	return true
}

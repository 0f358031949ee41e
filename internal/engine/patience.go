package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	// databasePatience is how long an engine that starts puts up with a database server that is away, or
	// that goes away in the middle of the start: it may be starting, too.
	databasePatience = 30 * time.Second
	databasePause    = time.Second
)

// patience is what an engine has at its start for a database on a server. A file is there, or somebody
// has to do something about it: for files there is none.
type patience struct {
	none  bool
	began time.Time
	log   *slog.Logger
	told  bool
}

// ask does something that asks the database, and does it again while the database is away and the
// patience lasts. It must do no harm twice: a write whose answer was cut off may have been done.
func (p *patience) ask(ctx context.Context, do func(context.Context) error) error {
	for {
		err := do(ctx)
		if err == nil || p.none || !errors.Is(err, keybearer.Unavailable) {
			return err
		}
		if !p.told {
			p.log.Warn("the database cannot be used yet; trying again for a while", "for", databasePatience, "error", err)
			p.told = true
		}
		spent := time.Since(p.began)
		if spent+databasePause > databasePatience || !wait(ctx, databasePause) {
			return fmt.Errorf("after %v of trying: %w", spent.Round(time.Second), err)
		}
	}
}

package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keybearer/keybearer"
)

// The channels on which engines tell one another what they changed. Their names are those of all
// engines on one database, whichever schema they use: news that is not for us does no harm.
const (
	flowsMoved   = "keybearer_flows"
	rulesChanged = "keybearer_rules"
)

// listenPing is how often a connection that says nothing is asked whether it is still there.
const listenPing = 10 * time.Second

// News is what may have changed in the database, by this engine or another.
type News struct {
	// Flow moved; empty: any of them may have.
	Flow keybearer.AuthorizationID
	// Rules: providers or API keys changed, rather than a flow.
	Rules bool
}

// Listen tells what changes in a PostgreSQL database, until ctx ends or the connection breaks, whose
// error it returns. At its beginning it tells of everything, since something may have been missed
// before: call it again after a pause. The function must return soon. A file has no news: Listen then
// only waits for ctx to end.
func (db *DB) Listen(ctx context.Context, tell func(News)) error {
	if db.server == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	conn, err := pgx.ConnectConfig(ctx, db.server.Copy())
	if err != nil {
		return db.failure("listening to the database", err)
	}
	err = listen(ctx, conn, tell)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(closing) // it broke, or nobody needs it any more
	return db.failure("listening to the database", err)
}

func listen(ctx context.Context, conn *pgx.Conn, tell func(News)) error {
	for _, channel := range []string{flowsMoved, rulesChanged} {
		if err := limited(ctx, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, "LISTEN "+channel)
			return err
		}); err != nil {
			return err
		}
	}
	tell(News{})
	tell(News{Rules: true})
	for {
		waiting, cancel := context.WithTimeout(ctx, listenPing)
		news, err := conn.WaitForNotification(waiting)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && news.Channel == flowsMoved:
			tell(News{Flow: keybearer.AuthorizationID(news.Payload)})
		case err == nil:
			tell(News{Rules: true})
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		default:
			if err := limited(ctx, conn.Ping); err != nil {
				return err
			}
		}
	}
}

// limited gives a call as long as every other.
func limited(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return call(ctx)
}

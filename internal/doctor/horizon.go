package doctor

import (
	"fmt"
	"slices"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

const (
	day = 24 * time.Hour
	// familyLife is how long Atlassian Cloud's refresh tokens of one consent live, however busy: an earlier
	// text of Atlassian's says so, and the present one says nothing.
	familyLife = 365 * day
	familyNear = 330 * day
	// tokenNear is how long before its end a token that nobody renews is warned of.
	tokenNear = 30 * day
)

// checkHorizon says how long all of it will last.
func (c *chart) checkHorizon() {
	switch c.connection.Kind {
	case keybearer.ServiceAccount.String():
		c.checkAccess("the engine asks for the next one with the service account's credential")
	case keybearer.Consented.String():
		if c.isCloud() && !slices.Contains(c.connection.Scopes, atlassian.OfflineAccess) {
			c.checkAccess("")
			return
		}
		c.checkAccess("the engine refreshes it")
		c.checkIdle()
		c.checkFamily()
	default:
		c.checkGiven()
	}
}

// checkAccess is for the access token; renewal says what comes after it, or "" for nothing.
func (c *chart) checkAccess(renewal string) {
	end := c.token.ExpiresAt
	if end.IsZero() {
		end = c.connection.ExpiresAt
	}
	f := Finding{Check: "expiry.access", Verdict: OK, Until: end, Saw: "when the access token ends is not known"}
	if !end.IsZero() {
		f.Saw = "the access token ends at " + moment(end)
	}
	if renewal != "" {
		f.Saw += ", and " + renewal
	} else {
		f.Verdict, f.Saw, f.Do = Warning, f.Saw+", and there is no refresh token: the connection ends with it", "Let the user authorize again with offline_access"
	}
	c.note(f)
}

// checkIdle is for the refresh token, which ends when nobody presents it. The engine presents it at two
// thirds of that time, so that more is a sign that it could not.
func (c *chart) checkIdle() {
	idle := c.idleExpiry()
	if idle == 0 {
		return
	}
	used := c.connection.UpdatedAt
	end := used.Add(idle)
	f := Finding{Check: "expiry.idle", Verdict: OK, Until: end}
	f.Saw = fmt.Sprintf("the refresh token was given on %s, and ends unused on %s; the engine presents it long before", date(used), date(end))
	switch now := c.Now(); {
	case now.After(end):
		f.Verdict, f.Class = Problem, atlassian.ClassReconsent
		f.Saw = fmt.Sprintf("the refresh token was given on %s, and has ended unused on %s", date(used), date(end))
		f.Do = "The user has to authorize again; see that the engine runs all the time, since it keeps grants alive"
	case now.Sub(used) > idle/3*2:
		f.Verdict = Warning
		f.Saw = fmt.Sprintf("the refresh token was given on %s, and ends unused on %s; the engine should have presented it by now", date(used), date(end))
		f.Do = "Look into the engine's log for refreshes that fail, and see that it runs all the time"
	}
	c.note(f)
}

func (c *chart) idleExpiry() time.Duration {
	if c.p.OAuth2.Refresh == nil {
		return 0
	}
	idle, err := time.ParseDuration(valueOf(c.p.OAuth2.Refresh.IdleExpiry))
	if err != nil {
		return 0
	}
	return idle
}

// checkFamily is for all refresh tokens that go back to one consent. Data Center is not known to end them.
func (c *chart) checkFamily() {
	if !c.isCloud() {
		return
	}
	born := c.connection.ConsentedAt
	if born.IsZero() {
		c.note(Finding{
			Check: "expiry.family", Verdict: Skipped,
			Saw: fmt.Sprintf("when the user consented last is not known, since that was before the engine wrote it down; not before %s", date(c.connection.CreatedAt)),
			Do:  "The next consent is written down",
		})
		return
	}
	end := born.Add(familyLife)
	f := Finding{Check: "expiry.family", Verdict: OK, Until: end, Saw: fmt.Sprintf("the user consented on %s; Atlassian may end the connection 365 days later, on %s", date(born), date(end))}
	if age := c.Now().Sub(born); age >= familyNear {
		f.Verdict = Warning
		f.Saw += fmt.Sprintf(", however busy it is: %s", left(familyLife-age))
		f.Do = "Let the user authorize again in time: the connection stays in use until then"
	}
	c.note(f)
}

func left(d time.Duration) string {
	if d <= 0 {
		return "that time is over"
	}
	return plural(int(d/day), "day") + " left"
}

// checkGiven is for tokens that somebody made, which nobody renews.
func (c *chart) checkGiven() {
	end := c.connection.ExpiresAt
	f := Finding{Check: "expiry.token", Verdict: OK, Until: end, Saw: "the token ends on " + date(end)}
	switch now := c.Now(); {
	case end.IsZero():
		f.Verdict, f.Saw, f.Do = Skipped, "when the token ends is not known", "Store it with its end: keybearer connection add --expires; Atlassian's API tokens live for a year at most"
	case now.After(end):
		f.Verdict, f.Class, f.Do = Problem, atlassian.ClassReconsent, "Make a new token, and store it with keybearer connection add"
	case now.After(end.Add(-tokenNear)):
		f.Verdict, f.Do = Warning, "Make a new token in time, and store it with keybearer connection add"
	}
	c.note(f)
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func moment(t time.Time) string { return t.UTC().Format("15:04:05 UTC on 2006-01-02") }

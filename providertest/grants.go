package providertest

import (
	"time"

	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// Grant is what one consent came to. The history forgets its oldest records, grants are kept: they
// judge a client that refreshes for longer than the history lasts.
type Grant struct {
	Family string
	Client string
	User   string
	Born   time.Time
	Dead   string // why it ended; empty while it lives

	Rotations int // refresh tokens that were replaced, whether the answer arrived or not
	Leeways   int // rotated tokens that came again within the leeway
	Reuses    int // rotated tokens that came again too late; the first one ends the grant
	// Tries are the last 100 presentations of its refresh tokens, oldest first.
	Tries []Try
}

// Try is one presentation of a refresh token.
type Try struct {
	Time      time.Time
	Token     string  // the [Hash] of what was presented
	Outcome   Outcome // Rotated, Kept, Leeway, Reused or DeadGrant
	UserAgent string
	Fault     string // the fault that was in force
}

// Grants returns the grants in the order of the consents. Beyond 50,000 the oldest are forgotten.
func (s *Server) Grants() []Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	var grants []Grant
	for _, f := range s.families.All() {
		g := Grant{
			Family: f.ID, Client: f.Client, User: f.User, Born: f.Born, Dead: f.Dead,
			Rotations: f.Count[ledger.Rotated], Leeways: f.Count[ledger.Leeway], Reuses: f.Count[ledger.Reused],
		}
		for _, t := range f.Tries {
			g.Tries = append(g.Tries, Try{Time: t.Time, Token: Hash(t.Token), Outcome: outcomeOfTry(t.Outcome), UserAgent: t.By, Fault: t.Fault})
		}
		grants = append(grants, g)
	}
	return grants
}

// outcomeOfTry is the history's word for how a presentation ended.
func outcomeOfTry(o ledger.Outcome) Outcome {
	if o.Good() || o == ledger.Reused {
		return Outcome(o)
	}
	return DeadGrant
}

// Expiry tells when an access token ends or ended. ok is false for one that was never issued, was taken
// back, or is so old that it is forgotten.
func (s *Server) Expiry(access string) (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.access.Get(access)
	return a.Expires, ok
}

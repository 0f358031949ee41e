package ledger

import (
	"fmt"
	"slices"
	"time"
)

// Family is all refresh tokens that came of one consent.
type Family struct {
	ID     string // "family-1" and so on: no secret, made for tests to read
	Client string
	User   string
	Scopes []string
	Born   time.Time // counts for the absolute limit
	Used   time.Time // counts for the inactivity limit
	Dead   string    // why it ended; empty while it lives

	Count map[Outcome]int // of all tries
	Tries []Try           // the last 100, oldest first

	number int
}

// Try is one presentation of one of its tokens.
type Try struct {
	Time    time.Time
	Token   string
	Outcome Outcome
	By      string // what the presenter calls itself
	Fault   string // what became of the answer, if anything
}

// Note writes a try down.
func (f *Family) Note(t Try) {
	if f.Count == nil {
		f.Count = map[Outcome]int{}
	}
	f.Count[t.Outcome]++
	if len(f.Tries) == 100 {
		f.Tries = slices.Delete(f.Tries, 0, 1)
	}
	f.Tries = append(f.Tries, t)
}

// Outcome is how the presentation of a refresh token ended.
type Outcome string

const (
	Rotated Outcome = "rotated" // the token was live; a new one replaced it
	Kept    Outcome = "kept"    // rotation is off; the same token goes on
	Leeway  Outcome = "leeway"  // an already rotated token, within the leeway
	Reused  Outcome = "reused"  // an already rotated token, too late: family killed, unless spared
	Expired Outcome = "expired" // inactivity or absolute limit
	Dead    Outcome = "dead"    // the family had ended before
	Foreign Outcome = "foreign" // it belongs to another client
	Unknown Outcome = "unknown" // never issued here, or forgotten
)

// Good reports whether the presenter gets a new access token.
func (o Outcome) Good() bool { return o == Rotated || o == Kept || o == Leeway }

// Families is the book of refresh tokens, with its rules.
type Families struct {
	Rotate     bool
	Leeway     time.Duration // how long a rotated token may be presented again
	Spare      bool          // refuse a rotated token that comes too late, but let its family live
	Successor  bool          // in the leeway answer the live successor, not a fresh sibling
	Inactivity time.Duration // 0: none
	Absolute   time.Duration // 0: none
	Mint       func() string

	tokens   *Book[*link]
	families *Book[*Family]
	born     int
}

// link is one refresh token of a family.
type link struct {
	family    *Family
	rotatedAt time.Time // zero while live
	next      string
}

// Start begins a family and returns it with its first token.
func (f *Families) Start(client, user string, scopes []string, now time.Time) (*Family, string) {
	if f.tokens == nil {
		f.tokens, f.families = NewBook[*link](100_000), NewBook[*Family](50_000)
	}
	f.born++
	family := &Family{
		ID: fmt.Sprintf("family-%d", f.born), Client: client, User: user,
		Scopes: scopes, Born: now, Used: now, number: f.born,
	}
	f.families.Put(family.ID, family)
	return family, f.add(family)
}

// Present is a client showing a refresh token. The returned token is what the
// client has to present next time; the family is nil for Unknown.
func (f *Families) Present(token, client string, now time.Time) (*Family, string, Outcome) {
	l := f.find(token)
	if l == nil {
		return nil, "", Unknown
	}
	family := l.family
	switch {
	case family.Client != client:
		return family, "", Foreign
	case family.Dead != "":
		return family, "", Dead
	case f.over(family, now):
		family.Dead = "expired"
		return family, "", Expired
	case l.rotatedAt.IsZero() && !f.Rotate:
		family.Used = now
		return family, token, Kept
	case l.rotatedAt.IsZero():
		family.Used = now
		l.rotatedAt, l.next = now, f.add(family)
		return family, l.next, Rotated
	case now.Sub(l.rotatedAt) < f.Leeway:
		family.Used = now
		if f.Successor {
			return family, f.live(l), Leeway
		}
		return family, f.add(family), Leeway
	case f.Spare:
		return family, "", Reused
	default:
		family.Dead = "a rotated token was presented again"
		return family, "", Reused
	}
}

// Peek returns the family of a token without presenting it, and whether the
// token itself could still be presented with success.
func (f *Families) Peek(token string, now time.Time) (*Family, bool) {
	l := f.find(token)
	if l == nil {
		return nil, false
	}
	return l.family, l.family.Dead == "" && l.rotatedAt.IsZero() && !f.over(l.family, now)
}

// Family returns the family with this id, or nil.
func (f *Families) Family(id string) *Family {
	if f.families == nil {
		return nil
	}
	family, _ := f.families.Get(id)
	return family
}

// All returns the families, oldest first.
func (f *Families) All() []*Family {
	if f.families == nil {
		return nil
	}
	var all []*Family
	f.families.Each(func(_ string, family *Family) { all = append(all, family) })
	slices.SortFunc(all, func(a, b *Family) int { return a.number - b.number })
	return all
}

// Kill ends every living family that match accepts and returns their ids.
func (f *Families) Kill(why string, match func(*Family) bool) []string {
	if f.families == nil {
		return nil
	}
	var killed []string
	f.families.Each(func(_ string, family *Family) {
		if family.Dead == "" && match(family) {
			family.Dead = why
			killed = append(killed, family.ID)
		}
	})
	return killed
}

func (f *Families) find(token string) *link {
	if f.tokens == nil {
		return nil
	}
	l, _ := f.tokens.Get(token)
	return l
}

func (f *Families) over(family *Family, now time.Time) bool {
	return f.Inactivity > 0 && now.Sub(family.Used) >= f.Inactivity ||
		f.Absolute > 0 && now.Sub(family.Born) >= f.Absolute
}

func (f *Families) add(family *Family) string {
	token := f.Mint()
	f.tokens.Put(token, &link{family: family})
	return token
}

// live follows the chain to the token that was not rotated yet.
func (f *Families) live(l *link) string {
	token := l.next
	for {
		next := f.find(token)
		if next == nil || next.rotatedAt.IsZero() {
			return token
		}
		token = next.next
	}
}

package storetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

func upkeepExam() []question {
	return []question{
		{"ClaimsOnlyWhatIsDue", upkeepOnlyDue},
		{"ClaimChangesThePlanOnly", upkeepClaimed},
		{"EarliestFirstUpToTheLimit", upkeepLimit},
		{"ClaimedComesAgain", upkeepAgain},
		{"ClaimNotAliased", upkeepNotAliased},
		{"PutPlansAnew", upkeepPut},
		{"DeletedIsNotClaimed", upkeepDeleted},
		{"ClaimRace", upkeepClaimRace},
		{"ClaimAgainstPutRace", upkeepClaimPutRace},
		{"PostponeByVersion", upkeepPostpone},
		{"Touch", upkeepTouch},
		{"TouchNeverBackwards", upkeepTouchBackwards},
		{"PutKeepsALaterUse", upkeepPutUse},
		{"TouchRace", upkeepTouchRace},
	}
}

// planned stores the n-th connection, due at a time, and gives what is stored.
func planned(t *testing.T, s Stores, n int, due time.Time) keybearer.Connection {
	t.Helper()
	c := connection(n)
	c.DueAt = due
	return must[keybearer.Connection](t)(s.Connections.PutConnection(t.Context(), c, 0))
}

func claim(t *testing.T, s Stores, now, until time.Time, limit int) []keybearer.Connection {
	t.Helper()
	return must[[]keybearer.Connection](t)(s.Upkeep.ClaimDue(t.Context(), project, "hooli", now, until, limit))
}

// idsOf are the ids of connections, sorted: claims come in any order.
func idsOf(list []keybearer.Connection) []keybearer.ConnectionID {
	var ids []keybearer.ConnectionID
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

func idsFrom(numbers ...int) []keybearer.ConnectionID {
	var ids []keybearer.ConnectionID
	for _, n := range numbers {
		ids = append(ids, connection(n).ID)
	}
	return ids
}

// wantStored reads a connection in every way and checks that each gives it.
func wantStored(t *testing.T, s Stores, want keybearer.Connection) {
	t.Helper()
	ctx := t.Context()
	same(t, "Connection", must[keybearer.Connection](t)(s.Connections.Connection(ctx, want.Ref)), want)
	same(t, "ConnectionByID", must[keybearer.Connection](t)(s.Connections.ConnectionByID(ctx, want.Project, want.ID)), want)
	page, _, err := s.Connections.Connections(ctx, keybearer.ConnectionFilter{Project: want.Project, User: want.User, Provider: want.Provider})
	ok(t, err)
	same(t, "Connections", page, []keybearer.Connection{want})
}

func upkeepOnlyDue(t *testing.T, s Stores) {
	now := at(100)
	planned(t, s, 0, at(99))
	planned(t, s, 1, now)
	planned(t, s, 2, now.Add(time.Microsecond))
	planned(t, s, 3, time.Time{}) // never
	planned(t, s, 4, now.Add(24*time.Hour))
	for n, ref := range map[int]keybearer.Ref{
		5: {Project: "other", User: "alice", Provider: "hooli"},
		6: {Project: project, User: "alice", Provider: "atlassian"},
	} {
		c := connection(n)
		c.Ref, c.DueAt = ref, at(0)
		must[keybearer.Connection](t)(s.Connections.PutConnection(t.Context(), c, 0))
	}
	if got := claim(t, s, at(98), at(200), 10); len(got) != 0 {
		t.Errorf("got %v before anything is due, want none", idsOf(got))
	}
	same(t, "what is due", idsOf(claim(t, s, now, at(200), 10)), idsFrom(0, 1))
	same(t, "a microsecond later", idsOf(claim(t, s, now.Add(time.Microsecond), at(200), 10)), idsFrom(2))
	other := must[[]keybearer.Connection](t)(s.Upkeep.ClaimDue(t.Context(), project, "atlassian", now, at(200), 10))
	same(t, "another provider", idsOf(other), idsFrom(6))
	other = must[[]keybearer.Connection](t)(s.Upkeep.ClaimDue(t.Context(), "other", "hooli", now, at(200), 10))
	same(t, "another project", idsOf(other), idsFrom(5))
	if got := must[[]keybearer.Connection](t)(s.Upkeep.ClaimDue(t.Context(), project, "nowhere", now, at(200), 10)); len(got) != 0 {
		t.Errorf("got %v of a provider without connections, want none", idsOf(got))
	}
}

// A claim says nothing about the grant, so whoever writes one meanwhile must not find another version.
func upkeepClaimed(t *testing.T, s Stores) {
	c := planned(t, s, 1, at(10))
	c = must[keybearer.Connection](t)(s.Connections.PutConnection(t.Context(), c, c.Version))
	wantStored(t, s, c) // and is in memory, where a store keeps rows there
	until := at(70)
	want := c
	want.DueAt = kept(until)
	same(t, "ClaimDue", claim(t, s, at(10), until, 10), []keybearer.Connection{want})
	wantStored(t, s, want)
}

func upkeepLimit(t *testing.T, s Stores) {
	const count = 20
	for i := range count {
		planned(t, s, i, at(i*7%count)) // each second once, in another order
	}
	first := func(from, to int) []keybearer.ConnectionID {
		var due []int
		for i := range count {
			if second := i * 7 % count; second >= from && second < to {
				due = append(due, i)
			}
		}
		return idsFrom(due...)
	}
	for _, limit := range []int{0, -1} {
		if got := claim(t, s, at(60), at(600), limit); len(got) != 0 {
			t.Errorf("limit %d: got %d connections, want none", limit, len(got))
		}
	}
	same(t, "the first three", idsOf(claim(t, s, at(60), at(600), 3)), first(0, 3))
	same(t, "the next seven", idsOf(claim(t, s, at(60), at(600), 7)), first(3, 10))
	same(t, "up to the twelfth", idsOf(claim(t, s, at(12), at(600), 7)), first(10, 13))
	same(t, "the others", idsOf(claim(t, s, at(60), at(600), 1000)), first(13, count))
	if got := claim(t, s, at(60), at(600), 1000); len(got) != 0 {
		t.Errorf("got %d connections when all are claimed, want none", len(got))
	}
}

// Whoever claimed a connection may have died.
func upkeepAgain(t *testing.T, s Stores) {
	planned(t, s, 1, at(10))
	for i, now := range []int{10, 70, 130} {
		if got := claim(t, s, at(now).Add(-time.Microsecond), at(now+60), 10); len(got) != 0 {
			t.Errorf("claim %d: got the connection just before its time", i)
		}
		same(t, fmt.Sprintf("claim %d", i), idsOf(claim(t, s, at(now), at(now+60), 10)), idsFrom(1))
	}
}

func upkeepNotAliased(t *testing.T, s Stores) {
	want := planned(t, s, 1, at(10))
	for _, now := range []int{10, 70} {
		got := claim(t, s, at(now), at(now+60), 10)
		want.DueAt = kept(at(now + 60))
		same(t, "ClaimDue", got, []keybearer.Connection{want})
		for _, c := range got {
			spoil(c)
		}
		wantStored(t, s, want)
	}
}

// Whoever writes the row plans it, too: a claim before the write is no longer of account.
func upkeepPut(t *testing.T, s Stores) {
	ctx := t.Context()
	read := planned(t, s, 1, at(10))
	same(t, "the first claim", idsOf(claim(t, s, at(10), at(600), 10)), idsFrom(1))
	read.DueAt = at(30)
	put := must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, read, read.Version))
	same(t, "the row", put, keptConnection(read, 2))
	wantStored(t, s, put)
	if got := claim(t, s, at(29), at(600), 10); len(got) != 0 {
		t.Error("got the connection before its new time")
	}
	same(t, "a claim at its new time", idsOf(claim(t, s, at(30), at(600), 10)), idsFrom(1))
	put.DueAt = time.Time{}
	must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, put, put.Version))
	if got := claim(t, s, at(6000), at(9000), 10); len(got) != 0 {
		t.Error("got a connection that is never due")
	}
}

func upkeepDeleted(t *testing.T, s Stores) {
	ctx := t.Context()
	for n := range 3 {
		planned(t, s, n, at(10))
	}
	ok(t, s.Connections.DeleteConnection(ctx, project, connection(0).ID, 1))
	same(t, "the first claim", idsOf(claim(t, s, at(10), at(70), 10)), idsFrom(1, 2))
	ok(t, s.Connections.DeleteConnection(ctx, project, connection(1).ID, 1)) // claimed, and of the same version
	same(t, "the second claim", idsOf(claim(t, s, at(70), at(130), 10)), idsFrom(2))
	c := connection(1)
	c.ID = "conn_remade"
	c.DueAt = at(500)
	must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, 0))
	same(t, "the third claim", idsOf(claim(t, s, at(130), at(190), 10)), idsFrom(2))
}

// Every row goes to one rival. They are all due at the same moment, so that nothing keeps the rivals
// from wanting the same ones.
func upkeepClaimRace(t *testing.T, s Stores) {
	const count = 250
	for n := range count {
		planned(t, s, n, at(10))
	}
	planned(t, s, count, at(11))
	claims := make([][]keybearer.Connection, rivals)
	for _, err := range race(rivals, func(i int) (err error) {
		claims[i], err = s.of(i).Upkeep.ClaimDue(t.Context(), project, "hooli", at(10), at(600), 3)
		return err
	}) {
		ok(t, err)
	}
	claims = append(claims, claim(t, s, at(10), at(600), 1000)) // what rivals left to one another
	times := make(map[keybearer.ConnectionID]int)
	for i, list := range claims {
		if i < rivals && len(list) > 3 {
			t.Errorf("got %d connections for one rival, want at most 3", len(list))
		}
		for _, c := range list {
			times[c.ID]++
		}
	}
	for id, n := range times {
		if n > 1 {
			t.Errorf("got %s claimed %d times, want once", id, n)
		}
	}
	if len(times) != count {
		t.Errorf("got %d connections claimed, want the %d that were due", len(times), count)
	}
}

// Of a claim and a write either may come first, and the write's plan is what remains.
func upkeepClaimPutRace(t *testing.T, s Stores) {
	c := planned(t, s, 1, at(10))
	c.DueAt = time.Time{}
	claimed := make([]int, rivals)
	errs := race(rivals, func(i int) error {
		if i%4 == 0 {
			_, err := s.of(i/4).Connections.PutConnection(t.Context(), c, c.Version)
			return err
		}
		got, err := s.of(i).Upkeep.ClaimDue(t.Context(), project, "hooli", at(10), at(600), 3)
		claimed[i] = len(got)
		return err
	})
	var puts []error
	claims := 0
	for i, err := range errs {
		if i%4 == 0 {
			puts = append(puts, err)
			continue
		}
		ok(t, err)
		claims += claimed[i]
	}
	oneWins(t, puts, keybearer.Conflict)
	if claims > 1 {
		t.Errorf("got the connection claimed %d times, want at most once", claims)
	}
	wantStored(t, s, keptConnection(c, 2))
}

func upkeepPostpone(t *testing.T, s Stores) {
	ctx := t.Context()
	old := planned(t, s, 1, at(10))
	bystander := planned(t, s, 2, at(1000))
	c := must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, old, old.Version))
	wantStored(t, s, c)
	postpone := func(what string, c keybearer.Connection, due time.Time, want keybearer.Connection) {
		t.Helper()
		c.DueAt = due
		if err := s.Upkeep.Postpone(ctx, []keybearer.Connection{c}); err != nil {
			t.Errorf("postponing %s: got %v, want no error", what, err)
		}
		wantStored(t, s, want)
	}
	postpone("an old version", old, at(900), c)
	changed := c
	changed.Reason, changed.Grant, changed.UsedAt = "not to be stored", []byte("nor this"), at(3600)
	want := c
	want.DueAt = kept(at(50))
	postpone("with other changes", changed, at(50), want)
	if got := claim(t, s, at(49), at(600), 10); len(got) != 0 {
		t.Error("got the connection before the time to which it was postponed")
	}
	same(t, "a claim at that time", idsOf(claim(t, s, at(50), at(600), 10)), idsFrom(1))
	want.DueAt = kept(at(20)) // earlier than the claim's: whoever claimed it knows better when
	postpone("what is claimed", want, at(20), want)
	same(t, "a claim at the time of whoever claimed it", idsOf(claim(t, s, at(20), at(600), 10)), idsFrom(1))
	want.DueAt = time.Time{}
	postpone("for ever", want, time.Time{}, want)
	if got := claim(t, s, at(999), at(6000), 10); len(got) != 0 {
		t.Error("got a connection that is never due")
	}
	wantStored(t, s, bystander)

	ok(t, s.Connections.DeleteConnection(ctx, c.Project, c.ID, c.Version))
	remade := connection(1)
	remade.ID = "conn_remade"
	remade = must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, remade, 0))
	postpone("a deleted connection that has come to the same version", old, at(5), remade)
}

func upkeepTouch(t *testing.T, s Stores) {
	ctx := t.Context()
	var all []keybearer.Connection
	for n, ref := range []keybearer.Ref{
		{Project: project, User: "alice", Provider: "hooli"},
		{Project: project, User: "alice", Provider: "hooli", Name: "work"},
		{Project: project, User: "bob", Provider: "hooli"},
		{Project: project, User: "alice", Provider: "atlassian"},
		{Project: "other", User: "alice", Provider: "hooli"},
		{Project: project, User: "carol", Provider: "hooli"},
	} {
		c := connection(n)
		c.Ref, c.UsedAt = ref, time.Time{}
		all = append(all, must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, 0)))
	}
	gone := all[5]
	ok(t, s.Connections.DeleteConnection(ctx, gone.Project, gone.ID, gone.Version))
	for _, c := range all[:5] { // now in memory, where a store keeps rows there
		must[keybearer.Connection](t)(s.Connections.Connection(ctx, c.Ref))
	}
	ok(t, s.Upkeep.Touch(ctx, nil))
	ok(t, s.Upkeep.Touch(ctx, map[keybearer.Ref]time.Time{
		all[0].Ref: at(30), all[2].Ref: at(40), gone.Ref: at(50), {Project: project, User: "nobody", Provider: "hooli"}: at(50),
	}))
	all[0].UsedAt, all[2].UsedAt = kept(at(30)), kept(at(40))
	for _, want := range all[:5] {
		same(t, fmt.Sprintf("Connection of %s", want.Ref), must[keybearer.Connection](t)(s.Connections.Connection(ctx, want.Ref)), want)
		same(t, fmt.Sprintf("ConnectionByID of %s", want.Ref), must[keybearer.Connection](t)(s.Connections.ConnectionByID(ctx, want.Project, want.ID)), want)
	}
	_, err := s.Connections.Connection(ctx, gone.Ref)
	wantKind(t, "the deleted connection", err, keybearer.NotFound)
}

func upkeepTouchBackwards(t *testing.T, s Stores) {
	c := planned(t, s, 1, at(10)) // with UsedAt at(2)
	for _, used := range []int{1, 2, 40, 39, 0, 41} {
		ok(t, s.Upkeep.Touch(t.Context(), map[keybearer.Ref]time.Time{c.Ref: at(used)}))
		if now := kept(at(used)); now.After(c.UsedAt) {
			c.UsedAt = now
		}
		wantStored(t, s, c)
	}
	ok(t, s.Upkeep.Touch(t.Context(), map[keybearer.Ref]time.Time{c.Ref: {}}))
	wantStored(t, s, c)
}

// A refresh that began before a use writes the row after it, and knows nothing of the use.
func upkeepPutUse(t *testing.T, s Stores) {
	ctx := t.Context()
	c := planned(t, s, 1, at(10))
	ok(t, s.Upkeep.Touch(ctx, map[keybearer.Ref]time.Time{c.Ref: at(30)}))
	for _, step := range []struct{ used, want time.Time }{
		{c.UsedAt, at(30)},
		{time.Time{}, at(30)},
		{at(60), at(60)},
		{at(59), at(60)},
	} {
		c.UsedAt = step.used
		put := must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, c.Version))
		c.UsedAt = step.want
		c = keptConnection(c, c.Version+1)
		same(t, "PutConnection", put, c)
		wantStored(t, s, c)
	}
}

// Rivals note the use of the same connections, in any order, while others write and claim these:
// nothing is in the way of anything, and the latest time stays.
func upkeepTouchRace(t *testing.T, s Stores) {
	ctx := t.Context()
	const count = 10
	used := make(map[keybearer.Ref]time.Time)
	for n := range count {
		used[planned(t, s, n, at(10)).Ref] = at(10)
	}
	for i, err := range race(rivals, func(i int) error {
		if i%10 == 0 {
			c := connection(i / 10)
			c.UsedAt = at(5)
			_, err := s.of(i/10).Connections.PutConnection(ctx, c, 1)
			return err
		}
		if i%10 == 1 {
			_, err := s.of(i/10).Upkeep.ClaimDue(ctx, project, "hooli", at(10+i), at(20+i), count)
			return err
		}
		mine := maps.Clone(used)
		for ref := range mine {
			mine[ref] = at(10 + i)
		}
		return s.of(i).Upkeep.Touch(ctx, mine)
	}) {
		if err != nil {
			t.Errorf("got %v from rival %d, want none", err, i)
		}
	}
	for ref := range used {
		c := must[keybearer.Connection](t)(s.Connections.Connection(ctx, ref))
		if want := kept(at(10 + rivals - 1)); !c.UsedAt.Equal(want) || c.Version != 2 {
			t.Errorf("got %s last used at %v, version %d, want %v, 2", ref, c.UsedAt, c.Version, want)
		}
	}
}

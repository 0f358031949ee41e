package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

const project keybearer.ProjectID = "default"

func connection(n int) keybearer.Connection {
	return keybearer.Connection{
		ID:       keybearer.ConnectionID(fmt.Sprintf("conn_%08d", n)),
		Ref:      keybearer.Ref{Project: project, User: keybearer.UserID(fmt.Sprintf("user%d@example.com", n)), Provider: "hooli"},
		Kind:     keybearer.ServiceAccount,
		State:    keybearer.ConnectionActive,
		Scopes:   []string{"read", "write with space", `quoted"`},
		Grant:    []byte{1, 0, 255, byte(n)},
		IssuedAt: at(0), ExpiresAt: at(3600), Refreshable: true,
		Rotation: keybearer.Rotation{Token: hash(n), Attempt: 2, Holder: 7, At: at(1)}, Family: "family",
		DueAt: at(1800), UsedAt: at(2),
		CreatedAt: at(n), UpdatedAt: at(n + 1),
	}
}

// spoil writes into everything that a connection could share with another.
func spoil(c keybearer.Connection) { c.Grant[0], c.Scopes[0], c.Rotation.Token[0] = 'X', "spoilt", 'X' }

// keptConnection is what a store gives back for a connection.
func keptConnection(c keybearer.Connection, version int64) keybearer.Connection {
	c.IssuedAt, c.ExpiresAt, c.CreatedAt, c.UpdatedAt = kept(c.IssuedAt), kept(c.ExpiresAt), kept(c.CreatedAt), kept(c.UpdatedAt)
	c.Rotation.At, c.DueAt, c.UsedAt = kept(c.Rotation.At), kept(c.DueAt), kept(c.UsedAt)
	c.Version = version
	return c
}

func connectionExam() []question {
	return []question{
		{"RoundTrip", connectionRoundTrip},
		{"EmptyFields", connectionEmptyFields},
		{"NotFound", connectionNotFound},
		{"Versions", connectionVersions},
		{"NotAliased", connectionNotAliased},
		{"RemadeIsAnother", connectionRemade},
		{"CreateRace", connectionCreateRace},
		{"SwapRace", connectionSwapRace},
		{"DeleteByVersion", connectionDelete},
		{"DeleteRace", connectionDeleteRace},
		{"Pages", connectionPages},
		{"Filters", connectionFilters},
		{"ReadsSeeWrites", connectionReadsSeeWrites},
	}
}

func connectionRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	c := connection(1)
	c.Name, c.State, c.Reason = "work", keybearer.ConnectionReauthorize, "the grant was revoked: O'Brien; -- ünïcode"
	want := keptConnection(c, 1)
	same(t, "PutConnection", must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, 0)), want)
	same(t, "Connection", must[keybearer.Connection](t)(s.Connections.Connection(ctx, c.Ref)), want)
	same(t, "Connection again", must[keybearer.Connection](t)(s.Connections.Connection(ctx, c.Ref)), want)
	same(t, "ConnectionByID", must[keybearer.Connection](t)(s.Connections.ConnectionByID(ctx, c.Project, c.ID)), want)
}

func connectionEmptyFields(t *testing.T, s Stores) {
	c := connection(1)
	c.Scopes, c.Grant, c.ExpiresAt, c.Refreshable = []string{}, nil, time.Time{}, false
	must[keybearer.Connection](t)(s.Connections.PutConnection(t.Context(), c, 0))
	got := must[keybearer.Connection](t)(s.Connections.Connection(t.Context(), c.Ref))
	if got.Scopes != nil || got.Grant != nil || !got.ExpiresAt.IsZero() || got.Refreshable {
		t.Errorf("got %+v, want nil scopes, nil grant, a zero expiry", got)
	}
}

func connectionNotFound(t *testing.T, s Stores) {
	ctx := t.Context()
	c := connection(1)
	must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, 0))
	for _, ref := range []keybearer.Ref{
		{Project: "other", User: c.User, Provider: c.Provider},
		{Project: c.Project, User: "nobody", Provider: c.Provider},
		{Project: c.Project, User: c.User, Provider: "nowhere"},
		{Project: c.Project, User: c.User, Provider: c.Provider, Name: "work"},
	} {
		_, err := s.Connections.Connection(ctx, ref)
		wantKind(t, fmt.Sprintf("Connection(%+v)", ref), err, keybearer.NotFound)
	}
	_, err := s.Connections.ConnectionByID(ctx, "other", c.ID)
	wantKind(t, "ConnectionByID in another project", err, keybearer.NotFound)
	_, err = s.Connections.ConnectionByID(ctx, c.Project, "conn_none")
	wantKind(t, "ConnectionByID", err, keybearer.NotFound)
	wantKind(t, "DeleteConnection", s.Connections.DeleteConnection(ctx, c.Project, "conn_none", 1), keybearer.NotFound)
	wantKind(t, "DeleteConnection in another project", s.Connections.DeleteConnection(ctx, "other", c.ID, 1), keybearer.NotFound)
}

func connectionVersions(t *testing.T, s Stores) {
	ctx := t.Context()
	c := connection(1)
	_, err := s.Connections.PutConnection(ctx, c, 1)
	wantKind(t, "writing over a row that is not there", err, keybearer.Conflict)
	c = must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, 0))
	_, err = s.Connections.PutConnection(ctx, c, 0)
	wantKind(t, "creating twice", err, keybearer.Conflict)
	other := connection(2)
	other.ID = c.ID
	_, err = s.Connections.PutConnection(ctx, other, 0)
	wantKind(t, "creating with the id of another", err, keybearer.Conflict)
	for _, stale := range []int64{2, 17, -1} {
		_, err = s.Connections.PutConnection(ctx, c, stale)
		wantKind(t, fmt.Sprintf("writing with version %d", stale), err, keybearer.Conflict)
	}
	c.Grant, c.Scopes, c.Version = []byte("next"), []string{"all"}, 99 // only ifVersion counts
	got := must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, 1))
	same(t, "the second version", got, keptConnection(c, 2))
	same(t, "read again", must[keybearer.Connection](t)(s.Connections.Connection(ctx, c.Ref)), keptConnection(c, 2))
	_, err = s.Connections.PutConnection(ctx, c, 1)
	wantKind(t, "writing over an old version", err, keybearer.Conflict)
}

func connectionNotAliased(t *testing.T, s Stores) {
	ctx := t.Context()
	c := connection(1)
	want := keptConnection(connection(1), 1)
	put := must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, 0))
	spoil(c)
	spoil(put)
	for range 2 {
		byRef := must[keybearer.Connection](t)(s.Connections.Connection(ctx, c.Ref))
		same(t, "Connection", byRef, want)
		spoil(byRef)
		byID := must[keybearer.Connection](t)(s.Connections.ConnectionByID(ctx, c.Project, c.ID))
		same(t, "ConnectionByID", byID, want)
		spoil(byID)
		page, _, err := s.Connections.Connections(ctx, keybearer.ConnectionFilter{})
		ok(t, err)
		same(t, "Connections", page, []keybearer.Connection{want})
		spoil(page[0])
	}
}

// A refresher that read the old row must not write into a new one that has come to the same version.
func connectionRemade(t *testing.T, s Stores) {
	ctx := t.Context()
	old := must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, connection(1), 0))
	must[keybearer.Connection](t)(s.Connections.ConnectionByID(ctx, old.Project, old.ID))
	ok(t, s.Connections.DeleteConnection(ctx, old.Project, old.ID, 1))
	_, err := s.Connections.Connection(ctx, old.Ref)
	wantKind(t, "Connection after its deletion", err, keybearer.NotFound)
	remade := connection(1)
	remade.ID = "conn_remade"
	must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, remade, 0))
	_, err = s.Connections.PutConnection(ctx, old, 1)
	wantKind(t, "writing the deleted row", err, keybearer.Conflict)
	must[keybearer.Connection](t)(s.Connections.Connection(ctx, old.Ref))
	_, err = s.Connections.ConnectionByID(ctx, old.Project, old.ID)
	wantKind(t, "ConnectionByID of the deleted row", err, keybearer.NotFound)
	same(t, "the new row", must[keybearer.Connection](t)(s.Connections.Connection(ctx, old.Ref)), keptConnection(remade, 1))
}

func connectionCreateRace(t *testing.T, s Stores) {
	errs := race(rivals, func(i int) error {
		c := connection(1)
		c.ID = keybearer.ConnectionID(fmt.Sprintf("conn_%d", i))
		_, err := s.of(i).Connections.PutConnection(t.Context(), c, 0)
		return err
	})
	oneWins(t, errs, keybearer.Conflict)
}

// Every version is won by exactly one of all who write over the version before it.
func connectionSwapRace(t *testing.T, s Stores) {
	ctx := t.Context()
	must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, connection(1), 0))
	for version := int64(1); version <= 3; version++ {
		errs := race(rivals, func(i int) error {
			c := connection(1)
			c.Reason = fmt.Sprintf("rival %d", i)
			got, err := s.of(i).Connections.PutConnection(ctx, c, version)
			if err == nil && (got.Version != version+1 || got.Reason != c.Reason) {
				return fmt.Errorf("got version %d, reason %q, want %d, %q", got.Version, got.Reason, version+1, c.Reason)
			}
			return err
		})
		oneWins(t, errs, keybearer.Conflict)
		got := must[keybearer.Connection](t)(s.Connections.Connection(ctx, connection(1).Ref))
		if got.Version != version+1 {
			t.Fatalf("got version %d after the race, want %d", got.Version, version+1)
		}
		for i, err := range errs {
			if want := fmt.Sprintf("rival %d", i); err == nil && got.Reason != want {
				t.Errorf("got the row of %s, want that of the winner, %s", got.Reason, want)
			}
		}
	}
}

func connectionDelete(t *testing.T, s Stores) {
	ctx := t.Context()
	c := must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, connection(1), 0))
	c = must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, c.Version))
	must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, connection(2), 0))
	wantKind(t, "deleting an old version", s.Connections.DeleteConnection(ctx, c.Project, c.ID, 1), keybearer.Conflict)
	must[keybearer.Connection](t)(s.Connections.Connection(ctx, c.Ref))
	ok(t, s.Connections.DeleteConnection(ctx, c.Project, c.ID, 2))
	_, err := s.Connections.ConnectionByID(ctx, c.Project, c.ID)
	wantKind(t, "ConnectionByID after the deletion", err, keybearer.NotFound)
	_, err = s.Connections.Connection(ctx, c.Ref)
	wantKind(t, "Connection after the deletion", err, keybearer.NotFound)
	wantKind(t, "deleting again", s.Connections.DeleteConnection(ctx, c.Project, c.ID, 2), keybearer.NotFound)
	must[keybearer.Connection](t)(s.Connections.Connection(ctx, connection(2).Ref))
	must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, 0))
}

// Of a write and a deletion of the same version one happens.
func connectionDeleteRace(t *testing.T, s Stores) {
	ctx := t.Context()
	c := must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, connection(1), 0))
	wins := 0
	for i, err := range race(rivals, func(i int) error {
		if i%2 == 0 {
			return s.of(i/2).Connections.DeleteConnection(ctx, c.Project, c.ID, 1)
		}
		_, err := s.of(i/2).Connections.PutConnection(ctx, c, 1)
		return err
	}) {
		if err == nil {
			wins++
		} else if k := keybearer.KindOf(err); k != keybearer.Conflict && (k != keybearer.NotFound || i%2 == 1) {
			t.Errorf("got %v from a rival", err)
		}
	}
	if wins != 1 {
		t.Errorf("got %d winners, want 1", wins)
	}
}

func connectionPages(t *testing.T, s Stores) {
	ctx := t.Context()
	const count = 30
	for i := range count { // the last ten are of one moment, written in the wrong order
		c := connection(count - 1 - i)
		c.CreatedAt = at(min(count-1-i, 20))
		must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, 0))
	}
	var ids []keybearer.ConnectionID
	for offset := 0; offset < count; offset += 7 {
		page, total, err := s.Connections.Connections(ctx, keybearer.ConnectionFilter{Limit: 7, Offset: offset})
		ok(t, err)
		if want := min(7, count-offset); len(page) != want || total != count {
			t.Errorf("offset %d: got %d of %d, want %d of %d", offset, len(page), total, want, count)
		}
		for _, c := range page {
			ids = append(ids, c.ID)
		}
	}
	var want []keybearer.ConnectionID
	for i := range count {
		want = append(want, connection(i).ID)
	}
	same(t, "all pages", ids, want)
	for _, c := range []struct{ limit, offset, want int }{{0, 0, 25}, {-1, -1, 25}, {5000, 0, count}, {10, count, 0}, {10, 1 << 40, 0}} {
		page, total, err := s.Connections.Connections(ctx, keybearer.ConnectionFilter{Limit: c.limit, Offset: c.offset})
		ok(t, err)
		if len(page) != c.want || total != count {
			t.Errorf("limit %d, offset %d: got %d of %d, want %d of %d", c.limit, c.offset, len(page), total, c.want, count)
		}
	}
}

func connectionFilters(t *testing.T, s Stores) {
	ctx := t.Context()
	put := func(n int, ref keybearer.Ref) {
		c := connection(n)
		c.Ref = ref
		must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, c, 0))
	}
	put(0, keybearer.Ref{Project: "a", User: "alice", Provider: "hooli"})
	put(1, keybearer.Ref{Project: "a", User: "alice", Provider: "atlassian"})
	put(2, keybearer.Ref{Project: "a", User: "bob", Provider: "hooli"})
	put(3, keybearer.Ref{Project: "b", User: "alice", Provider: "hooli"})
	put(4, keybearer.Ref{Project: "a", User: "alice", Provider: "hooli", Name: "work"})
	for _, c := range []struct {
		filter keybearer.ConnectionFilter
		want   []int
	}{
		{keybearer.ConnectionFilter{}, []int{0, 1, 2, 3, 4}},
		{keybearer.ConnectionFilter{Project: "a"}, []int{0, 1, 2, 4}},
		{keybearer.ConnectionFilter{Project: "c"}, nil},
		{keybearer.ConnectionFilter{Project: "a", User: "alice"}, []int{0, 1, 4}},
		{keybearer.ConnectionFilter{Project: "a", Provider: "hooli"}, []int{0, 2, 4}},
		{keybearer.ConnectionFilter{User: "alice", Provider: "hooli"}, []int{0, 3, 4}},
		{keybearer.ConnectionFilter{Project: "a", Providers: []keybearer.ProviderID{"atlassian", "nowhere"}}, []int{1}},
		{keybearer.ConnectionFilter{Providers: []keybearer.ProviderID{"atlassian", "hooli"}}, []int{0, 1, 2, 3, 4}},
		{keybearer.ConnectionFilter{Provider: "hooli", Providers: []keybearer.ProviderID{"atlassian"}}, nil},
		{keybearer.ConnectionFilter{User: "' OR 1=1 --"}, nil},
		{keybearer.ConnectionFilter{User: "alic%"}, nil},
	} {
		page, total, err := s.Connections.Connections(ctx, c.filter)
		ok(t, err)
		var want, got []keybearer.ConnectionID
		for _, n := range c.want {
			want = append(want, connection(n).ID)
		}
		for _, conn := range page {
			got = append(got, conn.ID)
		}
		same(t, fmt.Sprintf("%+v", c.filter), got, want)
		if total != len(want) {
			t.Errorf("%+v: got total %d, want %d", c.filter, total, len(want))
		}
	}
}

// A read that begins after a write was answered sees it, whatever is kept in memory for reading, and
// every read gives what one write has stored.
func connectionReadsSeeWrites(t *testing.T, s Stores) {
	ctx := t.Context()
	mark := func(c keybearer.Connection) keybearer.Connection {
		c.Reason, c.Grant = fmt.Sprint(c.Version+1), bytes.Repeat([]byte{byte(c.Version + 1)}, 5000)
		return c
	}
	whole := func(c keybearer.Connection, err error) error {
		if err == nil && (c.Reason != fmt.Sprint(c.Version) || bytes.Count(c.Grant, []byte{byte(c.Version)}) != 5000) {
			err = fmt.Errorf("got version %d with the values of another one", c.Version)
		}
		return err
	}
	c := must[keybearer.Connection](t)(s.Connections.PutConnection(ctx, mark(connection(1)), 0))
	ref, id := c.Ref, c.ID
	stop := make(chan struct{})
	done := make(chan []error)
	go func() {
		done <- race(4, func(i int) error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if err := whole(s.of(i).Connections.Connection(ctx, ref)); err != nil {
					return err
				}
				if err := whole(s.of(i).Connections.ConnectionByID(ctx, project, id)); err != nil {
					return err
				}
			}
		})
	}()
	for i := range 30 {
		next, err := s.Connections.PutConnection(ctx, mark(c), c.Version)
		if err != nil {
			t.Error(err)
			break
		}
		reader := s.of(i).Connections
		if got, err := reader.Connection(ctx, ref); err != nil || got.Version != next.Version {
			t.Errorf("got version %d, %v after writing version %d", got.Version, err, next.Version)
		}
		if got, err := reader.ConnectionByID(ctx, project, id); err != nil || got.Version != next.Version {
			t.Errorf("got version %d, %v by id after writing version %d", got.Version, err, next.Version)
		}
		c = next
	}
	close(stop)
	for _, err := range <-done {
		ok(t, err)
	}
}

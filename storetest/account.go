package storetest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
)

func account(user keybearer.UserID) keybearer.Account {
	return keybearer.Account{Project: project, User: user, PasswordHash: "$argon2id$v=19$m=1$x$y", Admin: true, CreatedAt: at(0)}
}

func keptAccount(a keybearer.Account) keybearer.Account {
	a.CreatedAt = kept(a.CreatedAt)
	return a
}

func accountExam() []question {
	return []question{
		{"RoundTrip", accountRoundTrip},
		{"DeleteWithSessions", accountDelete},
		{"PutRace", accountPutRace},
		{"DeleteRace", accountDeleteRace},
	}
}

func accountRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	_, err := s.Accounts.Account(ctx, project, "alice")
	wantKind(t, "Account", err, keybearer.NotFound)
	wantKind(t, "DeleteAccount", s.Accounts.DeleteAccount(ctx, project, "alice"), keybearer.NotFound)
	other := account("alice")
	other.Project, other.Admin = "other", false
	for _, a := range []keybearer.Account{account("bob"), account("alice"), other} {
		ok(t, s.Accounts.PutAccount(ctx, a))
	}
	same(t, "Account", must[keybearer.Account](t)(s.Accounts.Account(ctx, "other", "alice")), keptAccount(other))
	same(t, "Accounts, by user", must[[]keybearer.Account](t)(s.Accounts.Accounts(ctx, project)),
		[]keybearer.Account{keptAccount(account("alice")), keptAccount(account("bob"))})
	changed := account("alice")
	changed.PasswordHash, changed.Admin = "$argon2id$v=19$m=2$x$y", false
	ok(t, s.Accounts.PutAccount(ctx, changed))
	same(t, "Account", must[keybearer.Account](t)(s.Accounts.Account(ctx, project, "alice")), keptAccount(changed))
}

func accountDelete(t *testing.T, s Stores) {
	ctx := t.Context()
	session := func(n int, in keybearer.ProjectID, user keybearer.UserID) {
		if s.Sessions != nil {
			ok(t, s.Sessions.PutSession(ctx, keybearer.Session{Hash: hash(n), Project: in, User: user, Expires: at(60)}))
		}
	}
	ok(t, s.Accounts.PutAccount(ctx, account("alice")))
	ok(t, s.Accounts.PutAccount(ctx, account("bob")))
	session(1, project, "alice")
	session(2, project, "alice")
	session(3, project, "bob")
	session(4, "other", "alice")
	ok(t, s.Accounts.DeleteAccount(ctx, project, "alice"))
	_, err := s.Accounts.Account(ctx, project, "alice")
	wantKind(t, "Account after its deletion", err, keybearer.NotFound)
	if s.Sessions == nil {
		return
	}
	for n, want := range map[int]bool{1: false, 2: false, 3: true, 4: true} {
		if _, err := s.Sessions.Session(ctx, hash(n)); (err == nil) != want {
			t.Errorf("session %d: got %v, want it kept: %v", n, err, want)
		}
	}
}

// Rivals replace one account, and what remains is that of one of them.
func accountPutRace(t *testing.T, s Stores) {
	of := func(i int) keybearer.Account {
		a := account("alice")
		a.PasswordHash, a.Admin, a.CreatedAt = fmt.Sprint(i), i%3 == 0, at(i)
		return a
	}
	for _, err := range race(rivals, func(i int) error { return s.of(i).Accounts.PutAccount(t.Context(), of(i)) }) {
		ok(t, err)
	}
	got := must[keybearer.Account](t)(s.Accounts.Account(t.Context(), project, "alice"))
	last, err := strconv.Atoi(got.PasswordHash)
	ok(t, err)
	same(t, "the account of one rival", got, keptAccount(of(last)))
	if list := must[[]keybearer.Account](t)(s.Accounts.Accounts(t.Context(), project)); len(list) != 1 {
		t.Errorf("got %d accounts, want 1", len(list))
	}
}

func accountDeleteRace(t *testing.T, s Stores) {
	ok(t, s.Accounts.PutAccount(t.Context(), account("alice")))
	oneWins(t, race(rivals, func(i int) error {
		return s.of(i).Accounts.DeleteAccount(t.Context(), project, "alice")
	}), keybearer.NotFound)
}

func sessionExam() []question {
	return []question{
		{"RoundTrip", sessionRoundTrip},
		{"PutRace", sessionPutRace},
		{"DeleteRace", sessionDeleteRace},
	}
}

// One browser's requests are answered at once, and each may lengthen its session.
func sessionPutRace(t *testing.T, s Stores) {
	for _, err := range race(rivals, func(i int) error {
		return s.of(i).Sessions.PutSession(t.Context(), keybearer.Session{Hash: hash(1), Project: project, User: "alice", Expires: at(i)})
	}) {
		ok(t, err)
	}
	got := must[keybearer.Session](t)(s.Sessions.Session(t.Context(), hash(1)))
	if got.User != "alice" || got.Expires.Before(kept(at(0))) || got.Expires.After(kept(at(rivals-1))) {
		t.Errorf("got %+v, want the session of one rival", got)
	}
}

func sessionDeleteRace(t *testing.T, s Stores) {
	ok(t, s.Sessions.PutSession(t.Context(), keybearer.Session{Hash: hash(1), Project: project, User: "alice", Expires: at(1)}))
	oneWins(t, race(rivals, func(i int) error { return s.of(i).Sessions.DeleteSession(t.Context(), hash(1)) }), keybearer.NotFound)
}

func sessionRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	_, err := s.Sessions.Session(ctx, hash(1))
	wantKind(t, "Session", err, keybearer.NotFound)
	session := keybearer.Session{Hash: hash(1), Project: project, User: "alice", Expires: at(1)}
	want := session
	want.Expires, want.Hash = kept(at(1)), hash(1)
	ok(t, s.Sessions.PutSession(ctx, session))
	session.Hash[0] = 'X'
	for range 2 {
		got := must[keybearer.Session](t)(s.Sessions.Session(ctx, hash(1)))
		same(t, "Session", got, want)
		got.Hash[0] = 'X'
	}
	want.Expires = kept(at(9))
	ok(t, s.Sessions.PutSession(ctx, keybearer.Session{Hash: hash(1), Project: project, User: "alice", Expires: at(9)}))
	same(t, "a longer session", must[keybearer.Session](t)(s.Sessions.Session(ctx, hash(1))), want)
	ok(t, s.Sessions.DeleteSession(ctx, hash(1)))
	_, err = s.Sessions.Session(ctx, hash(1))
	wantKind(t, "Session after its deletion", err, keybearer.NotFound)
	wantKind(t, "DeleteSession again", s.Sessions.DeleteSession(ctx, hash(1)), keybearer.NotFound)
}

func settingExam() []question {
	return []question{
		{"RoundTrip", settingRoundTrip},
		{"PutRace", settingPutRace},
	}
}

func settingPutRace(t *testing.T, s Stores) {
	value := func(i int) string { return fmt.Sprintf(`{"n": %d, "text": %q}`, i, strings.Repeat(fmt.Sprint(i), 500)) }
	for _, err := range race(rivals, func(i int) error {
		return s.of(i).Settings.PutSetting(t.Context(), project, "verifier", []byte(value(i)))
	}) {
		ok(t, err)
	}
	got := string(must[[]byte](t)(s.Settings.Setting(t.Context(), project, "verifier")))
	for i := range rivals {
		if got == value(i) {
			return
		}
	}
	t.Errorf("got %q, want the value of one rival", got)
}

func settingRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	_, err := s.Settings.Setting(ctx, project, "verifier")
	wantKind(t, "Setting", err, keybearer.NotFound)
	value := []byte(`{"verifier_url": "https://app.example.com/ü"}`)
	want := bytes.Clone(value)
	ok(t, s.Settings.PutSetting(ctx, project, "verifier", value))
	value[0] = 'X'
	for range 2 {
		got := must[[]byte](t)(s.Settings.Setting(ctx, project, "verifier"))
		same(t, "Setting", string(got), string(want))
		got[0] = 'X'
	}
	_, err = s.Settings.Setting(ctx, "other", "verifier")
	wantKind(t, "Setting of another project", err, keybearer.NotFound)
	ok(t, s.Settings.PutSetting(ctx, project, "verifier", []byte("null")))
	same(t, "the changed setting", string(must[[]byte](t)(s.Settings.Setting(ctx, project, "verifier"))), "null")
}

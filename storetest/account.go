package storetest

import (
	"bytes"
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

func sessionExam() []question { return []question{{"RoundTrip", sessionRoundTrip}} }

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

func settingExam() []question { return []question{{"RoundTrip", settingRoundTrip}} }

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

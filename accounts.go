package keybearer

import (
	"context"
	"errors"
	"time"

	"github.com/keybearer/keybearer/internal/password"
	"github.com/keybearer/keybearer/secret"
)

const (
	sessionLife = 12 * time.Hour
	minPassword = 8
	maxPassword = 500
)

// PutAccount makes or changes the account of a person who can sign in at the engine's pages. Sessions
// that the person had end. Kind: BadRequest.
func (v *View) PutAccount(ctx context.Context, user UserID, pass secret.String, admin bool) (Account, error) {
	if err := v.admin(ActionAccountPut); err != nil {
		return Account{}, err
	}
	a, err := v.b.PutAccount(ctx, v.caller.Project, user, pass, admin)
	v.record(Event{Action: ActionAccountPut, User: user, Outcome: outcome(err), Reason: reason(err)})
	return a, err
}

// PutAccount is how an engine gets its first account.
func (b *Broker) PutAccount(ctx context.Context, project ProjectID, user UserID, pass secret.String, admin bool) (Account, error) {
	if err := CheckUserID(user); err != nil {
		return Account{}, err
	}
	if n := len(pass.Reveal()); n < minPassword || n > maxPassword {
		return Account{}, Errorf(BadRequest, "a password must have %d to %d characters", minPassword, maxPassword)
	}
	a := Account{Project: project, User: user, PasswordHash: password.Hash(pass), Admin: admin, CreatedAt: b.now()}
	return a, b.cfg.Accounts.PutAccount(ctx, a)
}

// Accounts lists the people who can sign in.
func (v *View) Accounts(ctx context.Context) ([]Account, error) {
	if err := v.admin("accounts"); err != nil {
		return nil, err
	}
	return v.b.cfg.Accounts.Accounts(ctx, v.caller.Project)
}

// DeleteAccount ends an account and its sessions. Kind: NotFound.
func (v *View) DeleteAccount(ctx context.Context, user UserID) error {
	if err := v.admin(ActionAccountDelete); err != nil {
		return err
	}
	err := v.b.cfg.Accounts.DeleteAccount(ctx, v.caller.Project, user)
	v.record(Event{Action: ActionAccountDelete, User: user, Outcome: outcome(err), Reason: reason(err)})
	return err
}

// SignIn checks a password and opens a session of twelve hours. It takes about 30 ms whether the
// account exists or not; limiting the rate is the caller's. Kind: Unauthenticated.
func (b *Broker) SignIn(ctx context.Context, user UserID, pass secret.String) (secret.String, error) {
	opened := b.now() // before the account is read: its password may be changed meanwhile
	a, err := b.cfg.Accounts.Account(ctx, DefaultProject, user)
	if err != nil && !errors.Is(err, NotFound) {
		return secret.String{}, err
	}
	tooLong := len(pass.Reveal()) > maxPassword
	if err != nil && !tooLong { // do the same work, so that the time tells nothing
		password.Hash(pass)
	}
	if err != nil || tooLong || !password.Matches(a.PasswordHash, pass) {
		b.record(Event{Actor: "browser", Action: ActionSignIn, User: user, Outcome: string(Unauthenticated)})
		return secret.String{}, Errorf(Unauthenticated, "the user or the password is wrong")
	}
	cookie := randomSecret()
	err = b.cfg.Sessions.PutSession(ctx, Session{
		Hash: hashOf(cookie), Project: a.Project, User: a.User, Expires: opened.Add(sessionLife),
	})
	b.record(Event{Actor: "user:" + string(user), Action: ActionSignIn, User: user, Outcome: outcome(err)})
	return cookie, err
}

// SignedIn tells who is signed in with a session's secret. Kind: NotFound.
func (b *Broker) SignedIn(ctx context.Context, session secret.String) (Account, error) {
	if session.IsZero() {
		return Account{}, Errorf(NotFound, "nobody is signed in")
	}
	s, err := b.cfg.Sessions.Session(ctx, hashOf(session))
	if err != nil {
		return Account{}, err
	}
	if !b.now().Before(s.Expires) {
		return Account{}, Errorf(NotFound, "the session has ended")
	}
	a, err := b.cfg.Accounts.Account(ctx, s.Project, s.User)
	if err == nil && s.Expires.Add(-sessionLife).Before(a.CreatedAt) {
		return Account{}, Errorf(NotFound, "the session has ended: the password was changed")
	}
	return a, err
}

// SignOut ends a session.
func (b *Broker) SignOut(ctx context.Context, session secret.String) error {
	err := b.cfg.Sessions.DeleteSession(ctx, hashOf(session))
	if errors.Is(err, NotFound) {
		return nil
	}
	return err
}

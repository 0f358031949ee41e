package atlassian

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// begin writes down a sign-in, in place of those that nobody can finish any more.
func (s *state) begin(l login, sent secret.String, now time.Time) {
	kept := slices.DeleteFunc(s.ours.Logins, func(old login) bool { return !now.Before(old.Deadline) })
	if most := maxLogins - 1; len(kept) > most {
		kept = kept[len(kept)-most:]
	}
	s.ours.Logins = append(kept, l)
	s.oauthState, s.verifier = sent.Reveal(), l.Verifier
}

// open lists the sign-ins, the newest last, with the one that AtlassianApiModule has started: it writes down
// a state for Cloud, or a verifier for Data Center, and nothing else.
func (c *Client) open(s *state) []login {
	all := slices.Clone(s.ours.Logins)
	theirs := login{Redirect: c.cfg.CallbackURL, Scopes: c.cfg.Scopes, Deadline: c.cfg.Now().Add(c.cfg.LoginLife)}
	if s.oauthState != "" && c.cfg.Deployment == Cloud {
		theirs.State = hashState(secret.New(s.oauthState))
	}
	if c.cfg.Deployment == DataCenter {
		theirs.Verifier = s.verifier
	}
	known := func(l login) bool {
		return len(theirs.State) > 0 && slices.Equal(l.State, theirs.State) || theirs.Verifier != "" && l.Verifier == theirs.Verifier
	}
	if (len(theirs.State) > 0 || theirs.Verifier != "") && !slices.ContainsFunc(all, known) {
		all = append(all, theirs)
	}
	return all
}

// finish takes a sign-in out of those that can be completed.
func (s *state) finish(l login) {
	l.Done = true
	if same := func(other login) bool { return slices.Equal(other.State, l.State) && other.Verifier == l.Verifier }; !slices.ContainsFunc(s.ours.Logins, same) {
		s.ours.Logins = append(s.ours.Logins, l)
	} else {
		s.ours.Logins[slices.IndexFunc(s.ours.Logins, same)].Done = true
	}
	if slices.Equal(hashState(secret.New(s.oauthState)), l.State) {
		s.oauthState = ""
	}
	if s.verifier == l.Verifier {
		s.verifier = ""
	}
}

// logins keeps the flows of the Broker, which live from Start to Complete of one process: what outlasts it
// is in the state. Each sign-in has a flow of its own.
type logins struct {
	*keybearer.Memory // attempts

	mu    sync.Mutex
	flows []keybearer.Flow // the newest last
}

var _ keybearer.FlowStore = (*logins)(nil)

// CreateFlow implements [keybearer.FlowStore].
func (l *logins) CreateFlow(_ context.Context, f keybearer.Flow, _ time.Time) (keybearer.Flow, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.Version = 1
	if len(l.flows) >= maxLogins {
		l.flows = slices.Delete(l.flows, 0, 1)
	}
	l.flows = append(l.flows, f)
	return f, nil
}

// Flow implements [keybearer.FlowStore].
func (l *logins) Flow(_ context.Context, _ keybearer.ProjectID, id keybearer.AuthorizationID) (keybearer.Flow, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.at(id); i >= 0 {
		return l.flows[i], nil
	}
	return keybearer.Flow{}, keybearer.Errorf(keybearer.NotFound, "no authorization %q", id)
}

func (l *logins) at(id keybearer.AuthorizationID) int {
	return slices.IndexFunc(l.flows, func(f keybearer.Flow) bool { return f.ID == id })
}

// FlowByVerification implements [keybearer.FlowStore]: nothing is verified here.
func (l *logins) FlowByVerification(context.Context, keybearer.ProjectID, keybearer.FlowID) (keybearer.Flow, error) {
	return keybearer.Flow{}, keybearer.Errorf(keybearer.NotFound, "no flow with this id")
}

// AdvanceFlow implements [keybearer.FlowStore].
func (l *logins) AdvanceFlow(_ context.Context, f keybearer.Flow) (keybearer.Flow, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.at(f.ID)
	if i < 0 || l.flows[i].Version != f.Version {
		return keybearer.Flow{}, keybearer.Errorf(keybearer.Conflict, "authorization %q was changed by somebody else", f.ID)
	}
	f.Version++
	l.flows[i] = f
	return f, nil
}

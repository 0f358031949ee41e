package httpapi

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

func authorize(c *call, in api.AuthorizeRequest) (api.Authorization, error) {
	need := in.AuthRequirement
	a, err := c.view.Authorize(c.ctx(), keybearer.AuthorizeRequest{
		ID: keybearer.ProviderID(need.ID), ProviderID: need.ProviderID, ProviderType: need.ProviderType,
		Scopes: need.OAuth2.Scopes, User: keybearer.UserID(in.UserID), NextURI: in.NextURI,
		Refused: secret.New(in.RefusedToken), Connection: in.Connection,
	})
	// A token is not kept for replays. Nor need it be: asking again for what was granted starts nothing.
	c.unrepeatable = a.Token != nil
	return authorization(a), err
}

// The long poll.
const (
	longestWait = 59 * time.Second
	// slack is what an answer may take beyond the wait.
	slack = 15 * time.Second
)

func status(c *call) (api.Authorization, error) {
	q, err := c.query()
	if err != nil {
		return api.Authorization{}, err
	}
	id := keybearer.AuthorizationID(first(q, "id", "authorizationId", "authorizationID"))
	if id == "" {
		return api.Authorization{}, keybearer.Errorf(keybearer.BadRequest, "the query parameter id is missing: give the id of the authorization")
	}
	seconds, _, err := whole(q, "wait")
	if err != nil {
		return api.Authorization{}, err
	}
	if seconds <= 0 {
		a, err := c.view.Status(c.ctx(), id)
		return authorization(a), err
	}
	a, err := c.wait(id, min(time.Duration(min(seconds, 60))*time.Second, longestWait))
	if err != nil {
		return api.Authorization{}, err
	}
	// The helpers of the published clients wait for completed and nothing else. Only an error ends them.
	if a.Status == keybearer.AuthorizationFailure {
		return api.Authorization{}, failure(a)
	}
	return authorization(a), nil
}

// wait waits for the end of an authorization, of the time, of the client's patience or of the server.
func (c *call) wait(id keybearer.AuthorizationID, atMost time.Duration) (keybearer.Authorization, error) {
	// A read deadline that passes would look as if the client had gone, and end the wait.
	deadlines := http.NewResponseController(c.w)
	_ = deadlines.SetReadDeadline(time.Now().Add(atMost + slack)) // not every server has them, as in tests
	_ = deadlines.SetWriteDeadline(time.Now().Add(atMost + slack))
	return c.view.Wait(c.ctx(), id, atMost)
}

// failure is why an authorization failed, as one of two kinds: whatever it was that failed, asking
// again for the same authorization does not help.
func failure(a keybearer.Authorization) error {
	switch {
	case a.Failure == nil || keybearer.KindOf(a.Failure) == keybearer.Internal:
		return keybearer.Errorf(keybearer.AuthorizationFailed, "the engine had a problem of its own, which its log tells: start a new authorization")
	case errors.Is(a.Failure, keybearer.AuthorizationEnded):
		return a.Failure
	}
	return keybearer.Errorf(keybearer.AuthorizationFailed, "%s", a.Failure.Error())
}

func authorization(a keybearer.Authorization) api.Authorization {
	out := api.Authorization{
		ID: string(a.ID), Status: api.AuthorizationStatus(a.Status), URL: a.URL,
		UserID: string(a.User), ProviderID: string(a.Provider), Scopes: a.Scopes,
	}
	if out.Scopes == nil {
		out.Scopes = []string{}
	}
	if t := a.Token; t != nil {
		out.Context.Token, out.Context.ExpiresAt = t.Access.Reveal(), t.ExpiresAt
		out.Context.Sites = shownSites(a.Sites)
		out.Context.Kind, out.Context.Username = string(t.Kind), t.Username
		if bytes.HasPrefix(t.UserInfo, []byte("{")) { // strict clients take an object or nothing
			out.Context.UserInfo = t.UserInfo
		}
	}
	if a.Status == keybearer.AuthorizationFailure {
		err := failure(a)
		out.Failure = &api.Failure{Name: string(keybearer.KindOf(err)), Message: err.Error()}
	}
	return out
}

func confirm(c *call, in api.ConfirmRequest) (api.Confirmation, error) {
	if in.FlowID == "" || in.UserID == "" {
		return api.Confirmation{}, keybearer.Errorf(keybearer.BadRequest, "flow_id and user_id are needed")
	}
	done, err := c.view.Confirm(c.ctx(), keybearer.FlowID(in.FlowID), keybearer.UserID(in.UserID))
	return api.Confirmation{AuthID: string(done.Authorization), NextURI: done.NextURI}, err
}

func confirmLegacy(c *call, in api.ConfirmRequest) (api.LegacyConfirmation, error) {
	done, err := confirm(c, in)
	return api.LegacyConfirmation{Code: http.StatusOK, Msg: "confirmed", Data: done}, err
}

func tryVerifier(c *call, in api.VerifierTrial) (api.VerifierTrialFlow, error) {
	if in.UserID == "" || in.VerifierURL == "" {
		return api.VerifierTrialFlow{}, keybearer.Errorf(keybearer.BadRequest, "user_id and verifier_url are needed")
	}
	flow, next, err := c.view.TryVerifier(c.ctx(), keybearer.UserID(in.UserID), in.VerifierURL)
	return api.VerifierTrialFlow{FlowID: string(flow), NextURI: next}, err
}

func chat(*call) (nothing, error) {
	return nothing{}, keybearer.Errorf(keybearer.NotImplemented, "this engine calls no language models: send chat completions to your model's own API")
}

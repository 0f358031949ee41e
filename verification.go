package keybearer

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// Verification says how it is proved who consented. The zero value is the built-in way: the browser
// has to be signed in at the engine as the user.
type Verification struct {
	// VerifierURL is the app's own route; it is called by the browser with flow_id, and answers with
	// [View.Confirm].
	VerifierURL string `json:"verifier_url"`
	// UnsafeSkip trusts whoever has the link. It is for one's own machine.
	UnsafeSkip bool `json:"unsafe_skip_verification"`
}

const verificationSetting = "session_verification"

func (b *Broker) verification(ctx context.Context, project ProjectID) (Verification, error) {
	if b.cfg.VerificationFixed {
		return b.cfg.Verification, nil
	}
	raw, err := b.cfg.Settings.Setting(ctx, project, verificationSetting)
	if errors.Is(err, NotFound) {
		return b.cfg.Verification, nil
	}
	if err != nil {
		return Verification{}, err
	}
	var how Verification
	if err := json.Unmarshal(raw, &how); err != nil {
		return Verification{}, Errorf(Internal, "reading the setting %s: %w", verificationSetting, err)
	}
	if how.UnsafeSkip && !b.cfg.AllowSkip { // was permitted when it was set
		return b.cfg.Verification, nil
	}
	return how, nil
}

// Verification gives the setting, and whether UnsafeSkip may be chosen.
func (v *View) Verification(ctx context.Context) (Verification, bool, error) {
	if err := v.admin(ActionSetting); err != nil {
		return Verification{}, false, err
	}
	how, err := v.b.verification(ctx, v.caller.Project)
	return how, v.b.cfg.AllowSkip, err
}

// SetVerification changes the setting. Kinds: BadRequest, PermissionDenied.
func (v *View) SetVerification(ctx context.Context, how Verification) (Verification, error) {
	if err := v.admin(ActionSetting); err != nil {
		return how, err
	}
	switch {
	case v.b.cfg.VerificationFixed:
		return how, Errorf(PermissionDenied, "auth.session_verification is set in engine.yaml: change it there")
	case how.UnsafeSkip && !v.b.cfg.AllowSkip:
		return how, Errorf(PermissionDenied, "skipping the verification is not allowed here: an operator can set auth.session_verification.unsafe_skip_verification in engine.yaml")
	case how.UnsafeSkip && how.VerifierURL != "":
		return how, Errorf(BadRequest, "give a verifier_url or unsafe_skip_verification, not both")
	}
	if err := v.b.CheckVerifierURL(how.VerifierURL); err != nil {
		return how, err
	}
	raw, err := json.Marshal(how)
	if err != nil {
		return how, Errorf(Internal, "writing the setting: %w", err)
	}
	err = v.b.cfg.Settings.PutSetting(ctx, v.caller.Project, verificationSetting, raw)
	v.record(Event{Action: ActionSetting, Outcome: outcome(err), Reason: verificationSetting})
	return how, err
}

// CheckVerifierURL permits "" and absolute https URLs (http to this machine).
func (b *Broker) CheckVerifierURL(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 4000 || u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(raw, " \\\t\r\n") ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname()) && !b.cfg.AllowHTTP) {
		return Errorf(BadRequest, "verifier_url must be an absolute https URL without user info or fragment (http is for this machine only)")
	}
	return nil
}

// TryVerifier starts a flow that stands for no provider, so that an operator can try a verifier out:
// open the returned URL in a browser that is signed in at the app; the app confirms the flow id.
func (v *View) TryVerifier(ctx context.Context, user UserID, verifierURL string) (FlowID, string, error) {
	if err := v.admin(ActionSetting); err != nil {
		return "", "", err
	}
	if err := CheckUserID(user); err != nil {
		return "", "", err
	}
	if verifierURL == "" {
		return "", "", Errorf(BadRequest, "verifier_url is needed")
	}
	if err := v.b.CheckVerifierURL(verifierURL); err != nil {
		return "", "", err
	}
	now := v.b.now()
	id := FlowID(randomID("af_"))
	f, err := v.b.cfg.Flows.CreateFlow(ctx, Flow{
		ID: AuthorizationID(randomID("ac_")), Ref: Ref{Project: v.caller.Project, User: user, Name: string(id)},
		State: FlowPending, App: v.caller.Name, DryRun: true, CreatedAt: now, Deadline: now.Add(v.b.cfg.FlowLife),
	}, now)
	if err != nil {
		return "", "", err
	}
	f.VerificationID = id
	for _, to := range []FlowState{FlowExchanging, FlowVerifying} {
		if err := v.b.move(ctx, &f, to); err != nil {
			return "", "", err
		}
	}
	return id, withFlowID(verifierURL, id), nil
}

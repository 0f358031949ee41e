package keybearer

import (
	"context"
	"errors"
	"strings"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// AuthorizationRequired is the error of a tool whose user has not authorized what it needs. It unwraps to
// [PermissionDenied], and its text begins with "authorization required", by which published clients know it.
type AuthorizationRequired struct {
	// Tool is the tool's name.
	Tool string
	// Authorization is pending: its URL is where the user has to go.
	Authorization Authorization
}

func (e *AuthorizationRequired) Error() string {
	return "authorization required: " + string(e.Authorization.User) + " has to open " + e.Authorization.URL + " before " + e.Tool + " can run"
}

// Unwrap makes errors.Is(err, PermissionDenied) hold.
func (e *AuthorizationRequired) Unwrap() error { return PermissionDenied }

// MissingSecrets is the error of a tool that asks for secrets that nobody has stored. It unwraps to [NotFound].
type MissingSecrets struct {
	Tool string
	Keys []string
}

func (e *MissingSecrets) Error() string {
	return e.Tool + " needs secrets that are not there: store " + strings.Join(e.Keys, ", ") + ", as an operator"
}

// Unwrap makes errors.Is(err, NotFound) hold.
func (e *MissingSecrets) Unwrap() error { return NotFound }

// LoanRequest is what a tool needs for one call.
type LoanRequest struct {
	// Tool is its name, for people and the audit.
	Tool string
	User UserID
	// Authorization is what it needs of the user; nil means nothing. Its User and NextURI are filled in.
	Authorization *AuthorizeRequest
	// Secrets are the keys of secrets that it asks for.
	Secrets []string
	// Refused is a token that the provider has refused, or zero: then another one is given.
	Refused secret.String
	// NextURI is where the browser goes after an authorization, or "".
	NextURI string
}

// Loan is what a tool is lent for one call.
type Loan struct {
	// Token is the user's, or nil where the tool needs none.
	Token *Token
	// Sites are those that the token reaches, where that is known.
	Sites *SiteList
	// ClientID is that of the provider that the token is of.
	ClientID string
	// Secrets have the keys that were asked for.
	Secrets map[string]secret.String
}

// Lend gives a tool what it needs for one call for a user. Where the user has not authorized it, an
// authorization is begun, and the error is an *[AuthorizationRequired]; where secrets are missing, a
// *[MissingSecrets]. Other kinds: those of [View.Authorize].
func (v *View) Lend(ctx context.Context, r LoanRequest) (Loan, error) {
	loan, err := v.lend(ctx, r)
	if err != nil {
		v.RecordCall(ToolCall{Tool: r.Tool, User: r.User}, err)
		return Loan{}, err
	}
	return loan, nil
}

func (v *View) lend(ctx context.Context, r LoanRequest) (Loan, error) {
	if r.User != "" || r.Authorization != nil || v.caller.Users != "" {
		if err := CheckUserID(r.User); err != nil {
			return Loan{}, err
		}
		if !v.caller.mayActFor(r.User) {
			return Loan{}, Errorf(PermissionDenied, "permission denied: this API key may not act for this user")
		}
	}
	secrets, used, err := v.lendSecrets(ctx, r)
	if err != nil {
		return Loan{}, err
	}
	loan := Loan{Secrets: secrets}
	if r.Authorization != nil {
		if err := v.lendToken(ctx, r, &loan); err != nil {
			return Loan{}, err
		}
	}
	if len(used) > 0 {
		if err := v.b.cfg.ToolSecrets.TouchToolSecrets(ctx, v.caller.Project, used, v.b.now()); err != nil {
			v.b.log.Warn("it could not be noted that secrets were used", "tool", r.Tool, "error", err)
		}
		v.b.secrets.clear()
	}
	return loan, nil
}

// lendSecrets opens the secrets that are asked for, and tells the ids of those whose use has to be written down.
func (v *View) lendSecrets(ctx context.Context, r LoanRequest) (lent map[string]secret.String, used []string, err error) {
	if len(r.Secrets) == 0 {
		return nil, nil, nil
	}
	all, err := v.b.secretsOf(ctx, v.caller.Project)
	if err != nil {
		return nil, nil, err
	}
	lent = make(map[string]secret.String, len(r.Secrets))
	missing := &MissingSecrets{Tool: r.Tool}
	for _, key := range r.Secrets {
		s, ok := secretIn(all, key)
		if !ok {
			missing.Keys = append(missing.Keys, oauth.Clean(key, 100))
			continue
		}
		plain, err := v.b.cfg.Sealer.Open(s.Value, s.ValuePlace())
		if err != nil {
			return nil, nil, Errorf(Internal, "opening the secret %s: %w", s.Key, err)
		}
		lent[key] = secret.New(string(plain))
		if v.b.now().Sub(s.AccessedAt) >= accessNoted {
			used = append(used, s.ID)
		}
	}
	if len(missing.Keys) > 0 {
		return nil, nil, missing
	}
	return lent, used, nil
}

func (v *View) lendToken(ctx context.Context, r LoanRequest, loan *Loan) error {
	ask := *r.Authorization
	ask.User, ask.NextURI, ask.Refused = r.User, r.NextURI, r.Refused
	a, err := v.Authorize(ctx, ask)
	if err != nil {
		return err
	}
	if a.Status != AuthorizationCompleted || a.Token == nil {
		return &AuthorizationRequired{Tool: r.Tool, Authorization: a}
	}
	loan.Token, loan.Sites = a.Token, a.Sites
	if p, err := v.b.provider(ctx, v.caller.Project, a.Provider); err == nil {
		loan.ClientID = p.ClientID
	}
	return nil
}

// ToolCall is a call of a tool, for the audit.
type ToolCall struct {
	Tool       string
	Worker     WorkerID
	User       UserID
	Provider   ProviderID
	Connection ConnectionID
}

// RecordCall writes the audit's line about a call of a tool.
func (v *View) RecordCall(c ToolCall, err error) {
	what := oauth.Clean(c.Tool, 300)
	if c.Worker != "" {
		what += " of worker " + string(c.Worker)
	}
	if _, ok := errors.AsType[*AuthorizationRequired](err); ok {
		what += ": authorization required" // the link is the user's
	} else if err != nil {
		what += ": " + oauth.Clean(err.Error(), 1000)
	}
	v.record(Event{Action: ActionToolCall, User: c.User, Provider: c.Provider, Connection: c.Connection, Outcome: outcome(err), Reason: what})
}

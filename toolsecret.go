package keybearer

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// ToolSecret is a value that tools ask for by its key: a webhook's address, an API's key. Its value is sealed
// and given to tools alone.
type ToolSecret struct {
	Project ProjectID
	// ID is "sec_" and random characters. It is what the value is bound to, so a secret that is deleted
	// and made anew is another one.
	ID string
	// Key is what tools call it. Two that differ in case alone are the same.
	Key         string
	Description string
	Value       seal.Value

	CreatedAt, UpdatedAt time.Time
	// AccessedAt is when a tool was last given it, to five minutes or so; zero for never.
	AccessedAt time.Time
	// Version counts the writes, from 1, but for those of AccessedAt; see ToolSecretStore.
	Version int64
}

// ValuePlace is where the value is sealed.
func (s *ToolSecret) ValuePlace() []byte {
	return seal.Place("tool_secret", string(s.Project), s.ID, "value")
}

const (
	maxToolSecret  = 5000
	maxToolSecrets = 1000
	// accessNoted is how exactly it is written down when a secret was last used: a write for each call of
	// a tool would cost more than the rest of the call.
	accessNoted = 5 * time.Minute
)

var toolSecretKey = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

// ToolSecrets lists the secrets for tools, by key, without their values.
func (v *View) ToolSecrets(ctx context.Context) ([]ToolSecret, error) {
	if err := v.admin("secrets"); err != nil {
		return nil, err
	}
	all, err := v.b.cfg.ToolSecrets.ToolSecrets(ctx, v.caller.Project)
	for i := range all {
		all[i].Value = nil
	}
	return all, err
}

// PutToolSecret makes a secret, or replaces its value and description. Kind: BadRequest.
func (v *View) PutToolSecret(ctx context.Context, key string, value secret.String, description string) (ToolSecret, error) {
	if err := v.admin(ActionSecretPut); err != nil {
		return ToolSecret{}, err
	}
	switch {
	case !toolSecretKey.MatchString(key):
		return ToolSecret{}, Errorf(BadRequest, "the key of a secret has 1 to 100 letters, digits, \"_\", \"-\" and \".\"")
	case value.IsZero() || len(value.Reveal()) > maxToolSecret:
		return ToolSecret{}, Errorf(BadRequest, "the value of the secret %s must have 1 to %d bytes", key, maxToolSecret)
	case len(description) > maxDescription:
		return ToolSecret{}, Errorf(BadRequest, "the description is longer than %d bytes", maxDescription)
	}
	s, err := v.putToolSecret(ctx, key, value, description)
	v.b.secrets.clear()
	v.record(Event{Action: ActionSecretPut, Outcome: outcome(err), Reason: key})
	s.Value = nil
	return s, err
}

func (v *View) putToolSecret(ctx context.Context, key string, value secret.String, description string) (ToolSecret, error) {
	for range tries {
		all, err := v.b.cfg.ToolSecrets.ToolSecrets(ctx, v.caller.Project)
		if err != nil {
			return ToolSecret{}, err
		}
		now := v.b.now()
		s, known := secretIn(all, key)
		if !known {
			if len(all) >= maxToolSecrets {
				return ToolSecret{}, Errorf(BadRequest, "there are %d secrets, and no more are allowed: delete one first", maxToolSecrets)
			}
			s = ToolSecret{Project: v.caller.Project, ID: randomID("sec_"), Key: key, CreatedAt: now}
		}
		s.Description, s.UpdatedAt = description, now
		if s.Value, err = v.b.cfg.Sealer.Seal([]byte(value.Reveal()), s.ValuePlace()); err != nil {
			return ToolSecret{}, Errorf(Internal, "sealing the secret %s: %w", key, err)
		}
		stored, err := v.b.cfg.ToolSecrets.PutToolSecret(ctx, s, s.Version)
		if !errors.Is(err, Conflict) {
			return stored, err
		}
	}
	return ToolSecret{}, Errorf(Conflict, "the secret %s was changed by others again and again: try again", key)
}

// DeleteToolSecret deletes a secret by its id. Kind: NotFound.
func (v *View) DeleteToolSecret(ctx context.Context, id string) error {
	if err := v.admin(ActionSecretDelete); err != nil {
		return err
	}
	err := v.b.cfg.ToolSecrets.DeleteToolSecret(ctx, v.caller.Project, id)
	v.b.secrets.clear()
	if errors.Is(err, NotFound) {
		err = Errorf(NotFound, "there is no secret with the id %q", oauth.Clean(id, 100))
	}
	v.record(Event{Action: ActionSecretDelete, Outcome: outcome(err), Reason: oauth.Clean(id, 100)})
	return err
}

func secretIn(all []ToolSecret, key string) (ToolSecret, bool) {
	i := slices.IndexFunc(all, func(s ToolSecret) bool { return strings.EqualFold(s.Key, key) })
	if i < 0 {
		return ToolSecret{}, false
	}
	return all[i], true
}

// secretsOf lists a project's secrets for tools. The list is shared: do not change it.
func (b *Broker) secretsOf(ctx context.Context, project ProjectID) ([]ToolSecret, error) {
	return b.secrets.get(project, func() ([]ToolSecret, error) { return b.cfg.ToolSecrets.ToolSecrets(ctx, project) })
}

// MissingToolSecrets tells which of these keys no secret has. Whoever may list tools may know it.
func (v *View) MissingToolSecrets(ctx context.Context, keys []string) ([]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	all, err := v.b.secretsOf(ctx, v.caller.Project)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, key := range keys {
		if _, ok := secretIn(all, key); !ok {
			missing = append(missing, key)
		}
	}
	return missing, nil
}

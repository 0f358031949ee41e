package keybearer

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/keybearer/keybearer/secret"
)

// WorkerSecrets are what the engine and a worker share.
type WorkerSecrets struct {
	// Shared signs what the engine says to a worker of the worker protocol.
	Shared secret.String
	// Named are for the headers of an MCP server.
	Named map[string]secret.String
}

// Expand puts the named secrets in the place of ${secret:NAME}.
func (s WorkerSecrets) Expand(text string) secret.String {
	return secret.New(workerSecretUse.ReplaceAllStringFunc(text, func(use string) string {
		return s.Named[workerSecretUse.FindStringSubmatch(use)[1]].Reveal()
	}))
}

// workerSecretForm is how they are sealed.
type workerSecretForm struct {
	Shared string            `json:"shared,omitempty"`
	Named  map[string]string `json:"named,omitempty"`
}

// SealSecrets seals the worker's secrets into it, and notes the names.
func (w *Worker) SealSecrets(sealer Sealer, s WorkerSecrets) error {
	w.Secret, w.SecretNames = nil, nil
	if s.Shared.IsZero() && len(s.Named) == 0 {
		return nil
	}
	if len(s.Shared.Reveal()) > maxWorkerSecret || len(s.Named) > maxWorkerSecrets {
		return Errorf(BadRequest, "worker %s: a secret has at most %d bytes, and there are at most %d", w.ID, maxWorkerSecret, maxWorkerSecrets)
	}
	form := workerSecretForm{Shared: s.Shared.Reveal(), Named: map[string]string{}}
	for name, value := range s.Named {
		if !workerSecretName.MatchString(name) || len(value.Reveal()) > maxWorkerSecret {
			return Errorf(BadRequest, "worker %s: a secret is named with 1 to 100 letters, digits and \"_\", and has at most %d bytes", w.ID, maxWorkerSecret)
		}
		form.Named[name] = value.Reveal()
	}
	plain, err := json.Marshal(form)
	if err != nil {
		return Errorf(Internal, "writing the secrets of worker %s: %w", w.ID, err)
	}
	if w.Secret, err = sealer.Seal(plain, w.SecretPlace()); err != nil {
		return Errorf(Internal, "sealing the secrets of worker %s: %w", w.ID, err)
	}
	w.SecretNames = slices.Sorted(maps.Keys(s.Named))
	return nil
}

// WorkerSecrets opens the secrets of a worker. It is for those who call workers, and no door gives them out.
func (b *Broker) WorkerSecrets(w *Worker) (WorkerSecrets, error) {
	if len(w.Secret) == 0 {
		return WorkerSecrets{}, nil
	}
	plain, err := b.cfg.Sealer.Open(w.Secret, w.SecretPlace())
	if err != nil {
		return WorkerSecrets{}, Errorf(Internal, "opening the secrets of worker %s: %w", w.ID, err)
	}
	var form workerSecretForm
	if err := json.Unmarshal(plain, &form); err != nil {
		return WorkerSecrets{}, Errorf(Internal, "the secrets of worker %s cannot be read", w.ID) // the cause would quote them
	}
	s := WorkerSecrets{Shared: secret.New(form.Shared), Named: map[string]secret.String{}}
	for name, value := range form.Named {
		s.Named[name] = secret.New(value)
	}
	return s, nil
}

package main

import (
	"context"

	"github.com/keybearer/keybearer/secret"
)

// givenSecretVariable holds the secret that a command stores: a provider's client secret, a token, a
// service account's secret. It is never a flag: arguments are seen by everybody on the machine.
const givenSecretVariable = "KEYBEARER_SECRET"

// givenSecret takes a secret from the environment, or asks for it, or reads what is piped in.
func givenSecret(ctx context.Context, w world, what string) (secret.String, error) {
	if text := w.getenv(givenSecretVariable); text != "" {
		return secret.New(text), nil
	}
	return readSecret(ctx, w, what)
}

package vault

import (
	"context"

	"github.com/keybearer/keybearer"
)

// Rekey is to come.
func (v *Vault) Rekey(ctx context.Context, to Custody) error {
	return keybearer.Errorf(keybearer.NotImplemented, "rekey is to come")
}

func (v *Vault) settle(context.Context) error { return nil }

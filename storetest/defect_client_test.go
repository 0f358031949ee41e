package storetest_test

import (
	"context"
	"errors"

	"github.com/keybearer/keybearer"
)

// registersTwice takes a client whose id is taken for a new one.
type registersTwice struct{ *keybearer.Memory }

func (s registersTwice) PutRegisteredClient(ctx context.Context, c keybearer.RegisteredClient) error {
	if err := s.Memory.PutRegisteredClient(ctx, c); !errors.Is(err, keybearer.Conflict) {
		return err
	}
	return nil
}

// blindGrants writes whatever the version is: a code is redeemed twice.
type blindGrants struct{ *keybearer.Memory }

func (s blindGrants) PutClientGrant(ctx context.Context, g keybearer.ClientGrant, _ int64) (keybearer.ClientGrant, error) {
	for {
		stored, _ := s.Memory.ClientGrant(ctx, g.Project, g.ID)
		if put, err := s.Memory.PutClientGrant(ctx, g, stored.Version); !errors.Is(err, keybearer.Conflict) {
			return put, err
		}
	}
}

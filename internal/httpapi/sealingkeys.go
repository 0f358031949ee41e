package httpapi

import (
	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

func listSealingKeys(c *call) (api.Page[api.SealingKey], error) {
	all, err := c.view.SealingKeys(c.ctx())
	out := make([]api.SealingKey, len(all))
	for i := range all {
		out[i] = sealingKey(&all[i])
	}
	return api.WholePage(out), err
}

func rotateKeys(c *call) (api.SealingKey, error) {
	k, err := c.view.RotateKeys(c.ctx())
	return sealingKey(&k), err
}

func sealingKey(k *keybearer.SealingKey) api.SealingKey {
	kind := "data"
	if k.Root {
		kind = "root"
	}
	return api.SealingKey{ID: k.ID, Kind: kind, Default: k.Default, SealedWith: k.SealedWith, CreatedAt: k.CreatedAt, Values: k.Values}
}

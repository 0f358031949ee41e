package httpapi

import (
	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

func listAccounts(c *call) (api.Page[api.Account], error) {
	all, err := c.view.Accounts(c.ctx())
	out := make([]api.Account, len(all))
	for i := range all {
		out[i] = account(&all[i])
	}
	return api.WholePage(out), err
}

func putAccount(c *call, in api.AccountPut) (api.Account, error) {
	a, err := c.view.PutAccount(c.ctx(), c.user(), secret.New(in.Password), in.Admin)
	return account(&a), err
}

func deleteAccount(c *call) (nothing, error) {
	return nothing{}, c.view.DeleteAccount(c.ctx(), c.user())
}

func (c *call) user() keybearer.UserID { return keybearer.UserID(c.req.PathValue("user")) }

func account(a *keybearer.Account) api.Account {
	return api.Account{UserID: string(a.User), Admin: a.Admin, CreatedAt: a.CreatedAt}
}

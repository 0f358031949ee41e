package workers

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

func (x *execution) invocation() api.Invocation {
	d := &x.tool.Definition
	in := api.Invocation{
		RunID: x.id, ExecutionID: x.id, CreatedAt: time.Now().UTC().Format(time.RFC3339),
		Tool: api.InvocationTool{Name: x.tool.wire, Toolkit: d.Toolkit.Name, Version: d.Toolkit.Version}, Inputs: x.call.Input,
		Context: api.InvocationContext{UserID: string(x.call.User), Secrets: []api.Keyed{}, Metadata: []api.Keyed{}},
	}
	if in.Inputs == nil {
		in.Inputs = map[string]json.RawMessage{}
	}
	for _, key := range x.tool.secrets() {
		in.Context.Secrets = append(in.Context.Secrets, api.Keyed{Key: key, Value: x.loan.Secrets[key].Reveal()})
	}
	known := map[string]string{"client_id": x.loan.ClientID, "coordinator_url": x.toolbox.cfg.PublicURL}
	for _, key := range x.tool.metadata {
		if value := known[strings.ToLower(key)]; value != "" {
			in.Context.Metadata = append(in.Context.Metadata, api.Keyed{Key: key, Value: value})
		}
	}
	if token := x.loan.Token; token != nil {
		in.Context.Authorization = &api.InvocationAuthorization{
			Token: token.Access.Reveal(), UserInfo: json.RawMessage("{}"), Kind: string(token.Kind), Username: token.Username,
			ExpiresAt: token.ExpiresAt, Sites: siteList(x.loan.Sites),
		}
		if bytes.HasPrefix(token.UserInfo, []byte("{")) { // published workers take an object, and not null
			in.Context.Authorization.UserInfo = token.UserInfo
		}
	}
	return in
}

func siteList(l *keybearer.SiteList) *api.SiteList {
	if l == nil {
		return nil
	}
	sites := func(from []keybearer.Site) []api.Site {
		out := make([]api.Site, len(from))
		for i, s := range from {
			out[i] = api.Site(s)
		}
		return out
	}
	return &api.SiteList{
		Sites: sites(l.Sites), Site: l.Site, Chosen: l.Chosen, Problem: l.Problem, ReadAt: l.ReadAt,
		Appeared: sites(l.Appeared), Vanished: sites(l.Vanished), ChangedAt: l.ChangedAt,
	}
}

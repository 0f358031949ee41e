package workers

import (
	"cmp"
	"context"
	"slices"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// Authorize starts the authorization that a tool needs, or gives the completed one. For a tool that needs none it is
// completed, without a token.
func (t *Toolbox) Authorize(ctx context.Context, v *keybearer.View, c Call) (keybearer.Authorization, error) {
	e, err := t.find(ctx, v, c.Tool, c.Version)
	if err != nil {
		return keybearer.Authorization{}, err
	}
	ask := e.tool.authorization()
	if ask == nil {
		return keybearer.Authorization{Status: keybearer.AuthorizationCompleted, User: c.User}, nil
	}
	ask.User, ask.NextURI = c.User, c.NextURI
	return v.Authorize(ctx, *ask)
}

// ToolFor is a tool's definition with what is there of its requirements; user may be "".
func (t *Toolbox) ToolFor(ctx context.Context, v *keybearer.View, tool *Tool, user keybearer.UserID) (api.Tool, error) {
	d := tool.Definition
	needs := *d.Requirements
	needs.Met = true
	if needs.Authorization != nil {
		ask := tool.authorization()
		ask.User = user
		standing, err := v.Standing(ctx, *ask)
		if err != nil {
			return api.Tool{}, err
		}
		a := *needs.Authorization
		a.Status, a.StatusReason = statusOf(standing)
		a.TokenStatus = api.AuthorizationStatus(standing.Token)
		needs.Authorization = &a
		needs.Met = standing.Token == keybearer.AuthorizationCompleted
	}
	missing, err := v.MissingToolSecrets(ctx, tool.secrets())
	if err != nil {
		return api.Tool{}, err
	}
	needs.Secrets = slices.Clone(needs.Secrets)
	for i := range needs.Secrets {
		s := &needs.Secrets[i]
		if s.Met = !slices.Contains(missing, s.Key); !s.Met {
			s.StatusReason, needs.Met = secretMissing, false
		}
	}
	d.Requirements = &needs
	return d, nil
}

const secretMissing = "no secret of this key is stored"

func statusOf(s keybearer.Standing) (status, reason string) {
	if s.Problem != "" {
		return "inactive", s.Problem
	}
	return "active", ""
}

// maxRequirements bounds how many tools one can ask about at once.
const maxRequirements = 500

// Requirements says what some tools need together for a user, and begins what is missing if authorize is set. The
// items of authorizations have the provider's id as their key, or the name by which no provider was found.
func (t *Toolbox) Requirements(ctx context.Context, v *keybearer.View, tools []api.ToolVersion, user keybearer.UserID, authorize bool) (api.ToolRequirementsAnswer, error) {
	out := api.ToolRequirementsAnswer{
		Met:           true,
		Authorization: api.RequiredAuthorizations{Met: true, Items: map[string]api.RequiredAuthorization{}},
		Secrets:       api.RequiredSecrets{Met: true, Items: map[string]api.RequiredSecret{}},
	}
	if len(tools) > maxRequirements {
		return out, keybearer.Errorf(keybearer.BadRequest, "%d tools are asked about, and at most %d can be", len(tools), maxRequirements)
	}
	asks := map[string]*keybearer.AuthorizeRequest{}
	for _, name := range tools {
		e, err := t.find(ctx, v, name.ToolName, name.ToolVersion)
		if err != nil {
			return out, err
		}
		if err := t.require(ctx, v, e.tool, user, &out, asks); err != nil {
			return out, err
		}
	}
	for key, ask := range asks {
		item := out.Authorization.Items[key]
		slices.Sort(ask.Scopes)
		ask.Scopes = slices.Compact(ask.Scopes)
		ask.User = user
		standing, err := v.Standing(ctx, *ask)
		if err != nil {
			return out, err
		}
		item.Status, _ = statusOf(standing)
		item.TokenStatus, item.Scopes = api.AuthorizationStatus(standing.Token), ask.Scopes
		if item.Scopes == nil {
			item.Scopes = []string{}
		}
		if item.Met = standing.Token == keybearer.AuthorizationCompleted; !item.Met && authorize && standing.Problem == "" {
			a, err := v.Authorize(ctx, *ask)
			if err != nil {
				return out, err
			}
			item.AuthorizationID, item.URL = string(a.ID), a.URL
			item.TokenStatus, item.Met = api.AuthorizationStatus(a.Status), a.Status == keybearer.AuthorizationCompleted
		}
		out.Authorization.Met = out.Authorization.Met && item.Met
		out.Authorization.Items[key] = item
	}
	out.Met = out.Authorization.Met && out.Secrets.Met
	return out, nil
}

// require adds what one tool needs.
func (t *Toolbox) require(ctx context.Context, v *keybearer.View, tool *Tool, user keybearer.UserID, out *api.ToolRequirementsAnswer, asks map[string]*keybearer.AuthorizeRequest) error {
	name := tool.Definition.FullyQualifiedName
	if ask := tool.authorization(); ask != nil {
		ask.User = user
		standing, err := v.Standing(ctx, *ask)
		if err != nil {
			return err
		}
		key := cmp.Or(string(standing.Provider), string(ask.ID), ask.ProviderID)
		item := out.Authorization.Items[key]
		item.ProviderID, item.ProviderType = key, cmp.Or(ask.ProviderType, "oauth2")
		item.ToolNames = append(item.ToolNames, name)
		out.Authorization.Items[key] = item
		if known := asks[key]; known != nil {
			known.Scopes = append(known.Scopes, ask.Scopes...)
		} else {
			asks[key] = ask
		}
	}
	missing, err := v.MissingToolSecrets(ctx, tool.secrets())
	if err != nil {
		return err
	}
	for _, key := range tool.secrets() {
		item := out.Secrets.Items[key]
		item.ToolNames = append(item.ToolNames, name)
		if item.Met = !slices.Contains(missing, key); !item.Met {
			item.StatusReason, out.Secrets.Met = secretMissing, false
		}
		out.Secrets.Items[key] = item
	}
	return nil
}

package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer/internal/yamlpos"
	"github.com/keybearer/keybearer/oauth"
)

func (c *checker) providers() {
	first := map[string]int{}
	for i := range c.cfg.Auth.Providers {
		p := &c.cfg.Auth.Providers[i]
		at := []string{"auth", "providers", strconv.Itoa(i)}
		if here, _, ok := c.where(at); ok {
			p.Position = c.At(here.value)
		}
		if before, ok := first[p.ID]; ok && p.ID != "" {
			there := c.cfg.Auth.Providers[before].Position
			c.wrong(fmt.Sprintf("%s is already the id of the entry in line %d; use another", c.shownAs(p.ID, append(at, "id")...), there.Line), append(at, "id")...)
		} else {
			first[p.ID] = i
		}
		if c.define(p, at) && p.Enabled {
			c.definition(p, at)
			c.scopes(p, at)
		}
		if p.Enabled {
			c.client(p, at)
		}
	}
}

// define finds what holds for a provider: a bundled type, a definition of one's own, or the one laid
// over the other.
func (c *checker) define(p *Provider, at []string) bool {
	bundled := c.source.Definitions
	if bundled == nil {
		bundled = func(string) (oauth.Definition, bool) { return oauth.Definition{}, false }
	}
	described := p.Overrides != nil
	own := p.place()
	if p.ProviderID != "" {
		base, ok := bundled(p.ProviderID)
		p.Definition = base.Install(own)
		if !ok && p.Enabled {
			c.wrong(c.shownAs(p.ProviderID, append(at, "provider_id")...)+" is not a bundled provider"+c.types(p.ProviderID)+
				"; leave provider_id out for a server of your own and describe it in oauth2", append(at, "provider_id")...)
		}
		return ok
	}
	if described {
		p.Definition = oauth.Definition{}.Install(own)
		return true
	}
	if base, ok := bundled(p.ID); ok { // until January 2025 the id was the type
		p.ProviderID, p.Definition = p.ID, base.Install(own)
		c.doubt(fmt.Sprintf("the id alone as the type is an older form; add provider_id: %s", p.ID), append(at, "id")...)
		return true
	}
	if p.Enabled && !c.failed(append(at, "provider_id")) && !c.failed(append(at, "oauth2")) {
		c.wrong("this provider says neither provider_id nor oauth2; give the bundled type"+c.types(p.ID)+", or describe the server in oauth2", at...)
	}
	return false
}

// place writes where the server is, and which product, into the block that holds all that the operator
// says of it, and gives that.
func (p *Provider) place() oauth.Definition {
	var own oauth.Definition
	if p.Overrides != nil {
		own = *p.Overrides
	}
	if p.ServerURL != "" || p.Product != "" {
		own.ServerURL, own.Product = p.ServerURL, p.Product
		p.Overrides = &own
	}
	return own
}

// types lists the bundled types, shortly when they are many.
func (c *checker) types(written string) string {
	names := slices.Sorted(slices.Values(c.source.Types))
	if len(names) == 0 {
		return ""
	}
	if len(names) > 40 {
		if near := yamlpos.Nearest(written, names); near != "" {
			return fmt.Sprintf("; did you mean %q?", near)
		}
		names = append(names[:40], "…")
	}
	return yamlpos.Choices(written, names)
}

func (c *checker) failed(elements []string) bool {
	at, _, exact := c.where(elements)
	return exact && at.failed
}

// definition checks what package oauth knows about. Of a bundled type only what the file itself
// changed is worth a warning.
func (c *checker) definition(p *Provider, at []string) {
	options := oauth.Options{PublicClient: c.publicClient(p, at), AllowHTTP: c.cfg.API.Development}
	for _, found := range p.Definition.Problems(options) {
		elements := slices.Concat(at, []string{"oauth2"}, found.Path)
		if beside := found.Path[0]; beside == "server_url" || beside == "product" { // they stand beside the block
			elements = slices.Concat(at, found.Path)
		}
		if found.Path[0] == "product" && p.Product != "" && len(p.Definition.Products) > 0 {
			products := slices.Sorted(maps.Keys(p.Definition.Products))
			found.Message = c.shownAs(p.Product, elements...) + " is not a product of " + p.ProviderID + yamlpos.Choices(p.Product, products)
		}
		if found.Warning && p.ProviderID != "" && !c.written(elements...) || c.failedWithin(elements) {
			continue
		}
		c.report(c.withoutExpanded(found.Message, elements), found.Warning, elements...)
	}
}

// publicClient reports whether the entry has no client_secret. One that is there, but empty after
// expansion, is an error: it was meant to be there, and the provider would say so only to a user.
func (c *checker) publicClient(p *Provider, at []string) bool {
	at = append(at, "client_secret")
	written, _, ok := c.where(at)
	switch {
	case !p.ClientSecret.IsZero() || written.failed:
		return false
	case ok && len(written.refs) > 0:
		c.wrong("the value is empty; set it, or remove client_secret if this is a public client", at...)
		return false
	case p.ProviderID != "" && strings.Contains(p.Definition.TokenRequest.Params["client_secret"], "{{"):
		c.doubt(fmt.Sprintf("clients of %s usually have a client_secret, and this one has none", p.ProviderID), at...)
	}
	return true
}

// withoutExpanded keeps what came from an expansion out of a message that was made elsewhere. Such a
// message may hold the value, a part of it or another form of it, so it is replaced as a whole.
func (c *checker) withoutExpanded(message string, elements []string) string {
	at, _, exact := c.where(elements)
	switch {
	case exact && len(at.refs) > 0 && c.expand(at.value.Value).text == "":
		return message
	case exact && len(at.refs) > 0:
		message = "the value of " + yamlpos.Quoted(strings.Join(at.refs, "")) + " is not allowed here"
		if last := elements[len(elements)-1]; last == "endpoint" || last == "issuer" || last == "server_url" {
			message += "; allowed: an absolute https URL without user info and fragment (http for this machine only, or with api.development: true)"
		}
		return message
	}
	for _, value := range c.revealed {
		if strings.Contains(message, value) {
			return "this does not go together with a value that came from an expansion"
		}
	}
	return message
}

func (c *checker) client(p *Provider, at []string) {
	switch {
	case p.ClientID != "", p.Overrides != nil && p.ProviderID == "" && p.Overrides.KeysOnly():
	case p.ProviderID != "" && !c.written(append(at, "client_id")...) && !c.written(append(at, "client_secret")...):
		c.doubt("there is no client_id, so nobody can consent here; only tokens and service accounts can be stored", at...)
	default:
		c.wrong("an enabled provider needs a client_id; set it, or enabled: false", append(at, "client_id")...)
	}
	for name, value := range map[string]string{"client_id": p.ClientID, "client_secret": p.ClientSecret.Reveal()} {
		if strings.TrimSpace(value) != value {
			c.doubt("the value begins or ends with blanks; they are sent as they are", append(at, name)...)
		}
	}
}

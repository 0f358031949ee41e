package proxy

import (
	"encoding/base64"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// Agent is who may use the proxy: one run, or one of the agents of a service.
type Agent struct {
	// Name is the user of Proxy-Authorization, and who the audit names. It has no colon.
	Name string
	// Connections are those that it may use; nil means all, also those that are still to come.
	Connections []keybearer.Ref
}

// Credentials are what an agent is told: they are of use at this proxy only.
type Credentials struct {
	// User and Secret are the two halves of Proxy-Authorization.
	User   string
	Secret secret.String
	// Env are the environment variables of the providers' definitions, with placeholders in the place of
	// credentials. Those of a provider's default connection have the plain names; those of another one end
	// with its name: GITHUB_TOKEN__WORK.
	Env map[string]string
}

// URL is the proxy's address with the credentials in it, for HTTP_PROXY and the like.
func (c Credentials) URL(at net.Addr) *url.URL {
	return &url.URL{Scheme: "http", User: url.UserPassword(c.User, c.Secret.Reveal()), Host: at.String()}
}

// agent is an Agent who was admitted. It is immutable.
type agent struct {
	name    string
	secret  secret.String
	allowed map[keybearer.Ref]bool // nil: all
	// tag stands in each of its placeholders and nowhere else.
	tag          string
	placeholders []placeholder
}

func (a *agent) mayUse(ref keybearer.Ref) bool { return a.allowed == nil || a.allowed[ref] }

// Admit lets an agent in until [Proxy.Dismiss], and draws its secret and its placeholders. Kinds:
// BadRequest for a name that cannot be one, Conflict for one that is taken.
func (p *Proxy) Admit(who Agent) (Credentials, error) {
	if who.Name == "" || len(who.Name) > 128 || strings.ContainsFunc(who.Name, func(r rune) bool { return r <= ' ' || r == ':' || r >= 0x7f }) {
		return Credentials{}, keybearer.Errorf(keybearer.BadRequest, "the name of an agent is 1 to 128 visible ASCII letters without a colon")
	}
	a := &agent{name: who.Name, secret: secret.New(randomText(alphanumeric, 40)), tag: randomText(hexadecimal, tagLength)}
	if who.Connections != nil {
		a.allowed = map[keybearer.Ref]bool{}
		for _, ref := range who.Connections {
			a.allowed[ref] = true
		}
	}
	env := p.furnish(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	agents := maps.Clone(*p.agents.Load())
	if agents[a.name] != nil {
		return Credentials{}, keybearer.Errorf(keybearer.Conflict, "an agent called %s is at work already", a.name)
	}
	agents[a.name] = a
	p.agents.Store(&agents)
	return Credentials{User: a.name, Secret: a.secret, Env: env}, nil
}

// Dismiss shows an agent out: its next request is refused.
func (p *Proxy) Dismiss(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	agents := maps.Clone(*p.agents.Load())
	delete(agents, name)
	p.agents.Store(&agents)
}

// furnish draws a placeholder for each connection, and makes the variables.
func (p *Proxy) furnish(a *agent) map[string]string {
	env, plain := map[string]string{}, map[keybearer.ProviderID]bool{}
	routes := slices.DeleteFunc(slices.Clone(p.table.Load().routes), func(r *route) bool { return !a.mayUse(r.Ref) })
	slices.SortStableFunc(routes, func(x, y *route) int { // the default ones take the plain names
		switch {
		case x.Default == y.Default:
			return 0
		case x.Default:
			return -1
		}
		return 1
	})
	count := map[keybearer.ProviderID]int{}
	for _, r := range routes {
		count[r.Ref.Provider]++
	}
	for _, r := range routes {
		h := placeholder{text: newPlaceholder(&r.API, a.tag), ref: r.Ref}
		a.placeholders = append(a.placeholders, h)
		suffix := "__" + envName(r.Ref.Name)
		if !plain[r.Ref.Provider] && (r.Default || count[r.Ref.Provider] == 1) {
			suffix, plain[r.Ref.Provider] = "", true
		}
		for name, what := range r.API.Env {
			value := envValue(r, what, h.text)
			if _, taken := env[name+suffix]; taken && suffix == "" {
				p.log.Warn("two providers use one environment variable; the first keeps it", "variable", name, "provider", r.Ref.Provider)
				continue
			}
			if value != "" {
				env[name+suffix] = value
			}
		}
	}
	return env
}

func envValue(r *route, what, placeholder string) string {
	switch what {
	case oauth.EnvToken:
		return placeholder
	case oauth.EnvUsername:
		return r.Username
	case oauth.EnvServerURL:
		if r.ServerURL != "" {
			return r.ServerURL
		}
		for _, s := range r.Sites {
			if s.ID == r.Site {
				return s.URL
			}
		}
		return ""
	}
	return what
}

// envName is a connection's name as part of a variable's.
func envName(name string) string {
	if name == "" {
		name = "default"
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}

// authenticate finds who sent a request to the proxy itself. A name that nobody has costs the same time as
// a wrong secret.
func (p *Proxy) authenticate(r *http.Request) *agent {
	scheme, encoded, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return nil
	}
	pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return nil
	}
	name, word, _ := strings.Cut(string(pair), ":")
	a := (*p.agents.Load())[name]
	expected := p.nobody
	if a != nil {
		expected = a.secret
	}
	if !expected.Equal(secret.New(word)) {
		return nil
	}
	return a
}

package atlassiantools

import (
	"cmp"
	"net/url"
	"time"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/tool"
)

// version is that of both toolkits; it is raised when a tool changes what it takes or gives.
const version = "1.0.0"

// Config says where Atlassian is. The zero Config is Atlassian Cloud.
type Config struct {
	// Gateway stands before the products' APIs: scheme and host without a slash at the end. "" means [atlassian.Gateway].
	Gateway string
	// Sites is where the list of sites is asked for; "" means Gateway. At Atlassian Government it is another host
	// ([atlassian.GovernmentHosts]).
	Sites string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.Gateway = cmp.Or(c.Gateway, atlassian.Gateway)
	c.Sites = cmp.Or(c.Sites, c.Gateway)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// needs is what a tool requires. An Atlassian that is somewhere else, as the sandbox on this machine, is declared: the token goes there.
func (c Config) needs(scopes ...string) tool.Requirement {
	r := tool.Atlassian(scopes...)
	for _, address := range []string{c.Gateway, c.Sites} {
		if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
			r = r.At(u.Hostname())
		}
	}
	return r
}

package atlassian

import (
	"context"
	"strings"

	"github.com/keybearer/keybearer"
)

// Check is what [Client.TestConnection] has found.
type Check struct {
	// Path is what was asked for, at the site or server.
	Path string
	// Site is the site of Cloud.
	Site Site
	// User is who the token acts as: the account id on Cloud, the user name on Data Center. It is empty
	// where the scopes permit no such question.
	User, Name, Email string
	Scopes            []string
}

// probe is a small question that a working token gets an answer to.
type probe struct {
	path string
	who  bool // it is answered with the user
}

// probes are those of the product, the best first. On Cloud each takes other scopes.
func (c *Client) probes() []probe {
	switch {
	case c.cfg.Deployment == DataCenter && c.cfg.Product == Confluence:
		return []probe{{"/rest/api/user/current", true}}
	case c.cfg.Deployment == DataCenter:
		return []probe{{"/rest/api/2/myself", true}}
	case c.cfg.Product == Confluence:
		return []probe{{"/wiki/rest/api/user/current", true}, {"/wiki/api/v2/spaces?limit=1", false}, {"/wiki/api/v2/pages?limit=1", false}, {"/wiki/rest/api/search?cql=type%3Dpage&limit=1", false}}
	}
	return []probe{{"/rest/api/3/myself", true}, {"/rest/api/3/project/search?maxResults=1", false}, {"/rest/servicedeskapi/request?limit=1", false}}
}

// TestConnection asks the product itself, with the token that is stored, and renews it if it has to: for
// the user, or, where the scopes do not permit that, for something that they permit. What the product
// answers as to nobody is a failure. Errors are those of [Client.Get].
func (c *Client) TestConnection(ctx context.Context) (Check, error) {
	token, err := c.Token(ctx)
	if err != nil {
		return Check{}, err
	}
	chosen := c.probes()[0]
	for _, p := range c.probes() {
		path, _, _ := strings.Cut(p.path, "?")
		if o, known := FindOperation("GET", path); c.cfg.Deployment == Cloud && known && o.Permits(token.Scopes) {
			chosen = p
			break
		}
	}
	found := Check{Path: chosen.path, Scopes: token.Scopes}
	if c.cfg.Deployment == Cloud {
		if found.Site, err = c.Site(ctx); err != nil {
			return found, err
		}
	}
	var who struct {
		Type, AccountID, Name, Username, DisplayName, PublicName string
		EmailAddress, Email                                      string
	}
	if !chosen.who {
		return found, c.Get(ctx, chosen.path, nil)
	}
	if err := c.Get(ctx, chosen.path, &who); err != nil {
		return found, err
	}
	found.User = printable(first(who.AccountID, who.Name, who.Username), maxSiteText)
	found.Name = printable(first(who.DisplayName, who.PublicName), maxSiteText)
	found.Email = printable(first(who.EmailAddress, who.Email), maxSiteText)
	if found.User == "" || strings.EqualFold(who.Type, "anonymous") {
		return found, keybearer.Errorf(keybearer.Reauthorize, "%s answered as to an anonymous visitor: the token was not accepted; call Start and Complete again", c.cfg.Product)
	}
	return found, nil
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

package atlassian

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

func bad(format string, args ...any) error {
	return keybearer.Errorf(keybearer.BadRequest, format, args...)
}

// settled checks a configuration and fills in what its zero fields mean.
func (c Config) settled() (Config, error) {
	for _, step := range []func(*Config) error{
		(*Config).settleProduct, (*Config).settleDeployment, (*Config).settleAddresses, (*Config).settleApp, (*Config).settleScopes,
	} {
		if err := step(&c); err != nil {
			return c, err
		}
	}
	if c.Store == nil {
		c.Store = &MemoryStore{}
	}
	if c.LoginLife == 0 {
		c.LoginLife = time.Hour
	}
	if c.LoginLife < 0 {
		return c, bad("LoginLife is negative: give people some time, or 0 for an hour")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

func (c *Config) settleProduct() error {
	switch given := Product(strings.ToLower(string(c.Product))); given {
	case Jira, Confluence:
		c.Product = given
		return nil
	case "":
		return bad("say which Product it is: jira or confluence")
	default:
		return bad("the product %q is not known here: it can be jira or confluence", printable(string(c.Product), 40))
	}
}

func (c *Config) settleDeployment() error {
	c.ServerURL, c.CloudID, c.Site = strings.TrimSpace(c.ServerURL), strings.TrimSpace(c.CloudID), strings.TrimSpace(c.Site)
	cloud := c.CloudID != "" || c.Site != ""
	switch {
	case cloud && c.ServerURL != "":
		return bad("there are a ServerURL, which is for Data Center, and a CloudID or Site, which is for Cloud: leave out what is not meant")
	case c.CloudID != "" && c.Site != "":
		return bad("there are a CloudID and a Site: give one of them")
	case c.Deployment == "" && cloud:
		c.Deployment = Cloud
	case c.Deployment == "" && c.ServerURL != "":
		c.Deployment = DataCenter
	case c.Deployment == "":
		return bad("say where %s is: its ServerURL on Data Center, a CloudID or Site on Cloud, or Deployment Cloud, to be told the sites later", c.Product)
	case c.Deployment == Cloud && c.ServerURL != "":
		return bad("a ServerURL is for Data Center: name the site of Cloud by Site or CloudID")
	case c.Deployment == DataCenter && cloud:
		return bad("a CloudID or Site is for Cloud: name the server of Data Center by ServerURL")
	case c.Deployment == DataCenter && c.ServerURL == "":
		return bad("Data Center needs a ServerURL: the address of %s with its context path, such as https://tea.example.com/jira", c.Product)
	case c.Deployment != Cloud && c.Deployment != DataCenter:
		return bad("the deployment %q is not known: it can be %s or %s", printable(string(c.Deployment), 40), Cloud, DataCenter)
	}
	return nil
}

func (c *Config) settleAddresses() error {
	if c.Deployment == DataCenter {
		return c.settleServer()
	}
	if c.CloudID != "" && !usableID(c.CloudID) {
		return bad("the CloudID %q is none: it has letters, digits and hyphens; a site's address or name goes into Site", printable(c.CloudID, 80))
	}
	c.Hosts = c.Hosts.withDefaults()
	for _, host := range []string{c.Hosts.Auth, c.Hosts.API, c.Hosts.Sites} {
		if err := c.checkURL("Hosts", host); err != nil {
			return err
		}
		if u, err := url.Parse(host); err != nil || u.Path != "" || u.RawQuery != "" {
			return bad("Hosts: %s has to be scheme and host, without a path", printable(host, maxSiteText))
		}
	}
	return nil
}

// settleServer wants the base URL itself. What people paste is often the address of some page.
func (c *Config) settleServer() error {
	c.ServerURL = strings.TrimRight(c.ServerURL, "/")
	if err := c.checkURL("ServerURL", c.ServerURL); err != nil {
		return err
	}
	u, err := url.Parse(c.ServerURL)
	if err != nil || u.RawQuery != "" || u.RawPath != "" {
		return bad("ServerURL: it is the base URL alone, such as https://tea.example.com/jira, without query or escapes")
	}
	if (Site{URL: "https://" + plainHost(u)}).Subdomain() != "" {
		return bad("ServerURL: %s is a site of Cloud: name it by Site, and leave out ServerURL", u.Host)
	}
	if err := checkAddress(u); err != nil {
		return err
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if slices.Contains([]string{"rest", "secure", "browse", "plugins", "login.jsp", "display", "pages"}, segment) {
			return bad("ServerURL: %s is the address of a page: leave out /%s and what follows", shown(u), segment)
		}
	}
	return nil
}

func (c *Config) checkURL(field, address string) error {
	if err := oauth.CheckEndpoint(address, c.Network.AllowHTTP); err != nil {
		return bad("%s: %w", field, err)
	}
	return nil
}

func (c *Config) settleApp() error {
	switch {
	case c.ClientID == "" || c.ClientSecret.IsZero():
		return bad("ClientID and ClientSecret are needed: they are in the app's Settings in the developer console, or shown with the application link of Data Center; Atlassian takes no client without a secret")
	case c.CallbackURL == "":
		return bad("CallbackURL is needed: the one that is registered with the app")
	}
	return c.checkURL("CallbackURL", c.CallbackURL)
}

func (c *Config) settleScopes() error {
	c.Scopes = slices.Clone(c.Scopes)
	if c.Deployment == DataCenter {
		if len(c.Scopes) == 0 {
			c.Scopes = DataCenterScopes(Read, c.Product)
		}
		for _, s := range c.Scopes {
			if !SystemAdmin.Covers(Access(s)) {
				return bad("Scopes: %q is none of Data Center, which has READ, WRITE, ADMIN and SYSTEM_ADMIN", printable(s, 80))
			}
		}
		return nil
	}
	if len(c.Scopes) == 0 {
		c.Scopes = ClassicScopes(Read, c.Product)
	}
	for _, s := range c.Scopes {
		if SystemAdmin.Covers(Access(s)) || slices.Contains([]string{"openid", "profile", "email"}, s) {
			return bad("Scopes: %s", CheckScopes([]string{OfflineAccess, s})[0])
		}
	}
	c.Scopes = sorted(append(c.Scopes, OfflineAccess))
	return nil
}

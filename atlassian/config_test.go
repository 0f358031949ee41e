package atlassian_test

import (
	"strings"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/secret"
)

// cloudConfig is one that nobody asks anything with.
func cloudConfig() atlassian.Config {
	return atlassian.Config{
		Product: atlassian.Jira, CloudID: teahouseID, ClientID: "an-app", ClientSecret: secret.New("not-a-real-secret"), CallbackURL: appCallback,
	}
}

func TestDeploymentAndProductAreFoundFromWhatIsGiven(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(*atlassian.Config)
		deployment atlassian.Deployment
		authorize  string
	}{
		"Jira Cloud by its id":       {func(*atlassian.Config) {}, atlassian.Cloud, "https://auth.atlassian.com/authorize"},
		"Confluence Cloud":           {func(c *atlassian.Config) { c.Product = "Confluence" }, atlassian.Cloud, "https://auth.atlassian.com/authorize"},
		"Cloud by its site":          {func(c *atlassian.Config) { c.CloudID, c.Site = "", "teahouse" }, atlassian.Cloud, "https://auth.atlassian.com/authorize"},
		"Cloud, site to be found":    {func(c *atlassian.Config) { c.CloudID, c.Deployment = "", atlassian.Cloud }, atlassian.Cloud, "https://auth.atlassian.com/authorize"},
		"the government's":           {func(c *atlassian.Config) { c.Hosts = atlassian.GovernmentHosts() }, atlassian.Cloud, "https://auth.atlassian-us-gov-mod.com/authorize"},
		"Jira Data Center":           {func(c *atlassian.Config) { c.CloudID, c.ServerURL = "", "https://tea.example.com" }, atlassian.DataCenter, "https://tea.example.com/rest/oauth2/latest/authorize"},
		"a context path and slashes": {func(c *atlassian.Config) { c.CloudID, c.ServerURL = "", " https://tea.example.com:8443/a/jira// " }, atlassian.DataCenter, "https://tea.example.com:8443/a/jira/rest/oauth2/latest/authorize"},
		"Confluence Data Center": {func(c *atlassian.Config) {
			c.Product, c.CloudID, c.ServerURL = "CONFLUENCE", "", "https://tea.example.com/wiki"
		}, atlassian.DataCenter, "https://tea.example.com/wiki/rest/oauth2/latest/authorize"},
		"a laboratory's": {func(c *atlassian.Config) {
			c.CloudID, c.ServerURL, c.Network.AllowHTTP = "", "http://tea.example.com", true
		}, atlassian.DataCenter, "http://tea.example.com/rest/oauth2/latest/authorize"},
	} {
		cfg := cloudConfig()
		c.change(&cfg)
		client, err := atlassian.New(cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		to, err := client.Start(t.Context())
		got := client.Config()
		if err != nil || !strings.HasPrefix(to, c.authorize+"?") || got.Deployment != c.deployment || !strings.EqualFold(string(got.Product), string(cfg.Product)) {
			t.Errorf("%s: got %s %s, %s (%v)", name, got.Product, got.Deployment, to, err)
		}
		if err := client.Close(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatContradictsItselfIsNotGuessed(t *testing.T) {
	onServer := func(address string) func(*atlassian.Config) {
		return func(c *atlassian.Config) { c.CloudID, c.ServerURL = "", address }
	}
	for name, c := range map[string]struct {
		change func(*atlassian.Config)
		says   string
	}{
		"no product":              {func(c *atlassian.Config) { c.Product = "" }, "jira or confluence"},
		"another product":         {func(c *atlassian.Config) { c.Product = "bitbucket" }, `"bitbucket" is not known here`},
		"a cloud id and a server": {func(c *atlassian.Config) { c.ServerURL = "https://tea.example.com" }, "leave out what is not meant"},
		"a site and a server":     {func(c *atlassian.Config) { c.CloudID, c.Site, c.ServerURL = "", "tea", "https://x.example.com" }, "leave out what is not meant"},
		"a site and a cloud id":   {func(c *atlassian.Config) { c.Site = "tea" }, "give one of them"},
		"nothing":                 {func(c *atlassian.Config) { c.CloudID = "" }, "say where Jira is"},
		"no server":               {func(c *atlassian.Config) { c.CloudID, c.Deployment = "", atlassian.DataCenter }, "needs a ServerURL"},
		"Cloud at a server":       {func(c *atlassian.Config) { onServer("https://x.example.com")(c); c.Deployment = atlassian.Cloud }, "is for Data Center"},
		"Data Center with a site": {func(c *atlassian.Config) { c.Deployment = atlassian.DataCenter }, "is for Cloud"},
		"another deployment":      {func(c *atlassian.Config) { c.Deployment = "server" }, `"server" is not known`},
		"an address as cloud id":  {func(c *atlassian.Config) { c.CloudID = "https://tea.atlassian.net" }, "goes into Site"},
		"a server without TLS":    {onServer("http://tea.example.com/jira"), "use https"},
		"no address":              {onServer("tea.example.com"), "ServerURL"},
		"a site of Cloud":         {onServer("https://tea.atlassian.net"), "is a site of Cloud"},
		"a page":                  {onServer("https://tea.example.com/jira/secure/Dashboard.jspa"), "leave out /secure"},
		"an API":                  {onServer("https://tea.example.com/rest/api/2"), "leave out /rest"},
		"dots":                    {onServer("https://tea.example.com/jira/../x"), "dot segments"},
		"a query":                 {onServer("https://tea.example.com/jira?x=y"), "base URL alone"},
		"a user":                  {onServer("https://user:pass@tea.example.com"), "user info"},
		"no client id":            {func(c *atlassian.Config) { c.ClientID = "" }, "ClientID and ClientSecret"},
		"no secret":               {func(c *atlassian.Config) { c.ClientSecret = secret.String{} }, "no client without a secret"},
		"no callback":             {func(c *atlassian.Config) { c.CallbackURL = "" }, "CallbackURL is needed"},
		"a callback in the clear": {func(c *atlassian.Config) { c.CallbackURL = "http://app.example.com/done" }, "use https"},
		"OpenID Connect":          {func(c *atlassian.Config) { c.Scopes = []string{"openid"} }, "OpenID Connect"},
		"Data Center's scopes":    {func(c *atlassian.Config) { c.Scopes = []string{"ADMIN"} }, "scope of Data Center"},
		"Cloud's scopes": {func(c *atlassian.Config) {
			onServer("https://x.example.com")(c)
			c.Scopes = []string{"read:jira-work"}
		}, "READ, WRITE, ADMIN and SYSTEM_ADMIN"},
		"a host with a path": {func(c *atlassian.Config) { c.Hosts.API = "https://api.example.com/x" }, "without a path"},
		"a negative life":    {func(c *atlassian.Config) { c.LoginLife = -1 }, "LoginLife"},
		"two proxies": {func(c *atlassian.Config) {
			c.Network = atlassian.Network{ProxyURL: "http://proxy.example.com", ProxyFromEnvironment: true}
		}, "leave out one of them"},
		"no proxy":       {func(c *atlassian.Config) { c.Network.ProxyURL = "user:a-password@proxy" }, "no address of a proxy"},
		"no CA":          {func(c *atlassian.Config) { c.Network.CAFile = "testdata/nowhere.pem" }, "reading CAFile"},
		"no certificate": {func(c *atlassian.Config) { c.Network.CAFile = "config_test.go" }, "no certificate in CAFile"},
		"two transports": {func(c *atlassian.Config) {
			c.Network = atlassian.Network{Transport: roundTripper(nil), InsecureSkipVerify: true}
		}, "leave out the others"},
	} {
		cfg := cloudConfig()
		c.change(&cfg)
		_, err := atlassian.New(cfg)
		refused(t, name, err, keybearer.BadRequest, c.says)
		if err != nil && (strings.Contains(err.Error(), "pass") || strings.Contains(err.Error(), "not-a-real-secret")) {
			t.Errorf("%s: a secret is in the text: %v", name, err)
		}
	}
}

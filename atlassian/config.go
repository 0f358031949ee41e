package atlassian

import (
	"log/slog"
	"time"

	"github.com/keybearer/keybearer/secret"
)

// Deployment is where a product runs.
type Deployment string

// The deployments.
const (
	Cloud      Deployment = "cloud"       // at Atlassian
	DataCenter Deployment = "data-center" // on a server of one's own
)

// Config says which product a [Client] talks to, and as which app. It decides nothing by guessing: what is
// missing or contradicts itself is an error of [New].
type Config struct {
	// Product is [Jira] or [Confluence].
	Product Product
	// Deployment may be left out where one of the next three says it.
	Deployment Deployment
	// ServerURL is the base URL of Data Center with its context path, "https://tea.example.com/jira".
	ServerURL string
	// CloudID or Site says which site of Cloud is meant, Site by its URL or its name ([Select]). With
	// neither, and Deployment Cloud, it is the only one that the token reaches.
	CloudID, Site string
	// Hosts are those of Atlassian Cloud; the zero value is the commercial one.
	Hosts Hosts

	// ClientID and ClientSecret are those of the OAuth 2.0 (3LO) app, or of the incoming application link
	// of Data Center. Both are needed.
	ClientID     string
	ClientSecret secret.String
	// CallbackURL is where the browser is sent back to, to the letter as it is registered there. Nothing
	// needs to listen: see [Client.Complete].
	CallbackURL string
	// Scopes are what is asked for; nil means to read, [ClassicScopes] or [DataCenterScopes]. On Cloud
	// [OfflineAccess] is always added. [ModuleScopes] are those of AtlassianApiModule.
	Scopes []string

	Network Network
	// Store keeps the tokens; nil means a [MemoryStore].
	Store Store
	// LoginLife is how long a person has between Start and Complete; 0 means an hour.
	LoginLife time.Duration
	// Log takes what an operator should see; nil means nothing.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Hosts are the addresses of a kind of Atlassian Cloud: scheme and host, without a slash at the end. Empty
// fields mean those of the commercial one.
type Hosts struct {
	Auth     string // where people consent and tokens come from; https://auth.atlassian.com
	API      string // the gateway; [Gateway]
	Sites    string // where accessible-resources is; as API
	Audience string // api.atlassian.com
}

// GovernmentHosts are those of Atlassian Government Cloud.
func GovernmentHosts() Hosts {
	const auth = "https://auth.atlassian-us-gov-mod.com"
	return Hosts{Auth: auth, API: GovernmentGateway, Sites: auth, Audience: "api.atlassian-us-gov-mod.com"}
}

func (h Hosts) withDefaults() Hosts {
	orElse := func(field *string, otherwise string) {
		if *field == "" {
			*field = otherwise
		}
	}
	orElse(&h.Auth, "https://auth.atlassian.com")
	orElse(&h.API, Gateway)
	orElse(&h.Sites, h.API)
	orElse(&h.Audience, "api.atlassian.com")
	return h
}

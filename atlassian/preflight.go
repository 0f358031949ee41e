package atlassian

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Fault is what is wrong with a Data Center server, in one word for programs.
type Fault string

// The faults.
const (
	Unreachable     Fault = "unreachable"       // no answer, or none over TLS that is trusted
	Busy            Fault = "busy"              // it limits the rate, or fails: nothing can be said now
	NotThere        Fault = "not_there"         // nothing at this URL is a product of Atlassian's
	LacksPath       Fault = "lacks_path"        // the product is there, below a context path
	WrongProduct    Fault = "wrong_product"     // another product than expected
	IsCloud         Fault = "is_cloud"          // a site of Cloud, which has other providers
	TooOld          Fault = "too_old"           // from before the OAuth 2.0 provider
	BaseNotHTTPS    Fault = "base_not_https"    // the product's own base URL is http: the provider is off
	BaseDiffers     Fault = "base_differs"      // the product calls itself by another URL
	ProviderOff     Fault = "provider_off"      // the provider's paths are not there, and nobody knows why
	RedirectInClear Fault = "redirect_in_clear" // the redirect URI is http, which is refused by default
)

// Finding is a fault, and what to do about it.
type Finding struct {
	Fault Fault
	// Says is for people: what was seen, and what to do.
	Says string
	// Doubt: it may work all the same.
	Doubt bool
}

// Server is a Data Center server as it was found.
type Server struct {
	// Product, Version and BaseURL are what the server says of itself, empty where it does not.
	Product  Product
	Version  string
	BaseURL  string
	Findings []Finding
}

// Usable reports whether nothing was found but doubts.
func (s *Server) Usable() bool {
	return !slices.ContainsFunc(s.Findings, func(f Finding) bool { return !f.Doubt })
}

func (s *Server) has(faults ...Fault) bool {
	return slices.ContainsFunc(s.Findings, func(f Finding) bool { return slices.Contains(faults, f.Fault) })
}

func (s *Server) find(fault Fault, doubt bool, format string, args ...any) {
	s.Findings = append(s.Findings, Finding{Fault: fault, Says: fmt.Sprintf(format, args...), Doubt: doubt})
}

// Preflight looks at a Data Center server before a browser is sent there, without any credentials, and
// tells apart what shows as the same 404 otherwise: a version without the OAuth 2.0 provider (Jira below
// 8.22, Confluence below 7.17, Bitbucket below 7.20), a base URL that is not https, and a missing context
// path.
type Preflight struct {
	// HTTP carries the requests; nil means [http.DefaultClient]. Redirects are not followed.
	HTTP *http.Client
	// ServerURL is the base URL as the operator wrote it.
	ServerURL string
	// Product is what is expected there; empty expects none in particular.
	Product Product
	// RedirectURI is what is registered at the server, or empty.
	RedirectURI string
}

// preflightLife bounds the whole look.
const preflightLife = 15 * time.Second

// Run looks. It makes at most ten requests, within 15 seconds, and reads at most 64 KiB of an answer.
func (p Preflight) Run(ctx context.Context) Server {
	ctx, cancel := context.WithTimeout(ctx, preflightLife)
	defer cancel()
	p.ServerURL = strings.TrimRight(p.ServerURL, "/")
	var s Server
	if !p.identify(ctx, &s) {
		return s
	}
	p.judge(&s)
	p.provider(ctx, &s)
	if u, err := url.Parse(p.RedirectURI); err == nil && u.Scheme == "http" {
		s.find(RedirectInClear, true, "the redirect URI %s is not https, which the server refuses unless its administrator sets the system property "+
			"atlassian.oauth2.provider.skip.redirect.url.https.requirement=true", printable(p.RedirectURI, 200))
	}
	return s
}

// identify finds out what is at the URL, and reports whether that is a product.
func (p Preflight) identify(ctx context.Context, s *Server) bool {
	got, err := p.manifest(ctx, p.ServerURL)
	switch {
	case err == nil:
		s.Product = cmp.Or(namedServer(got.Type), Product(printable(got.Type, 40)))
		s.Version, s.BaseURL = got.Version, got.URL
		return true
	case errors.As(err, new(*url.Error)):
		s.find(Unreachable, false, "%s cannot be reached from here: %s. Check server_url, the name, and that this machine trusts the certificate's authority",
			printable(p.ServerURL, 200), reasonOf(err))
		return false
	}
	if info, ok := p.serverInfo(ctx); ok { // a manifest may be closed to strangers, or not be there at Cloud
		s.Product, s.Version, s.BaseURL = Jira, info.Version, info.BaseURL
		if strings.EqualFold(info.Deployment, "Cloud") {
			s.find(IsCloud, false, "%s is a site of Atlassian Cloud: use provider_id: atlassian, without server_url", printable(p.ServerURL, 200))
			return false
		}
		return true
	}
	if errors.Is(err, errBusy) {
		s.find(Busy, true, "%s cannot say what it is (%s): look again later", printable(p.ServerURL, 200), printable(err.Error(), 200))
		return false
	}
	if below := p.elsewhere(ctx); below != "" {
		s.find(LacksPath, false, "nothing is at %s, but a product is at %s: write that as server_url, with its context path", printable(p.ServerURL, 200), printable(below, 200))
		return false
	}
	s.find(NotThere, false, "%s does not answer as a product of Atlassian's (%s). Open it in a browser, and copy what stands before /secure or /login, the context path included",
		printable(p.ServerURL, 200), printable(err.Error(), 200))
	return false
}

// judge holds what the server says of itself against what is expected.
func (p Preflight) judge(s *Server) {
	if p.Product != "" && s.Product != p.Product {
		s.find(WrongProduct, false, "the server is %s, not %s: set product accordingly, or provider_id: bitbucket-data-center for Bitbucket", s.Product, p.Product)
	}
	if least := firstProvider(cmp.Or(s.Product, p.Product)); older(s.Version, least) {
		s.find(TooOld, false, "the server is %s %s, and its OAuth 2.0 provider came with %s: upgrade it, or store personal access tokens with keybearer connection add",
			s.Product, printable(s.Version, 40), least)
	}
	base, err := url.Parse(strings.TrimRight(s.BaseURL, "/"))
	asked, bad := url.Parse(p.ServerURL)
	switch {
	case s.BaseURL == "" || err != nil || bad != nil || base.Host == "":
	case base.Scheme == "http" && asked.Scheme == "https":
		s.find(BaseNotHTTPS, false, "the server's own base URL is %s, and without https its OAuth 2.0 provider is off: an administrator sets the base URL to https under General configuration",
			printable(s.BaseURL, 200))
	case !strings.EqualFold(base.Host, asked.Host) || base.Path != asked.Path:
		s.find(BaseDiffers, true, "the server calls itself %s and server_url is %s: where they are the same, links and redirects hold together",
			printable(s.BaseURL, 200), printable(p.ServerURL, 200))
	}
}

// provider asks whether the OAuth 2.0 provider's paths are there. Without a client they answer with an
// error of any kind, but not 404.
func (p Preflight) provider(ctx context.Context, s *Server) {
	_, status, err := p.get(ctx, p.ServerURL+"/rest/oauth2/latest/authorize")
	if err != nil || status != http.StatusNotFound || s.has(TooOld, BaseNotHTTPS) {
		return
	}
	s.find(ProviderOff, false, "the server has no OAuth 2.0 provider at /rest/oauth2/latest: it is older than Jira 8.22, Confluence 7.17 or Bitbucket 7.20, "+
		"its base URL is not https, or a proxy in front of it does not let the path through")
}

// DataCenterProduct tells the product of a bundled kind of provider and its product setting, and false
// for kinds that are not of Data Center.
func DataCenterProduct(kind, product string) (Product, bool) {
	switch kind {
	case "atlassian-data-center":
		return namedServer(product), true
	case "bitbucket-data-center":
		return Bitbucket, true
	}
	return "", false
}

// namedServer is the product of a type id, as application links name it.
func namedServer(typeID string) Product {
	switch strings.ToLower(typeID) {
	case "jira":
		return Jira
	case "confluence":
		return Confluence
	case "bitbucket", "stash":
		return Bitbucket
	}
	return ""
}

// firstProvider is the first version with the OAuth 2.0 provider.
// https://confluence.atlassian.com/enterprise/using-oauth-2-0-provider-1108480806.html
func firstProvider(p Product) string {
	return map[Product]string{Jira: "8.22", Confluence: "7.17", Bitbucket: "7.20"}[p]
}

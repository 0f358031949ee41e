package atlassian

import (
	"net/url"
	"strings"

	"github.com/keybearer/keybearer"
)

// The gateways, which stand before the APIs of all sites. [Resolver.Gateway] names the one in use.
const (
	Gateway           = "https://api.atlassian.com"
	GovernmentGateway = "https://api.atlassian-us-gov-mod.com" // for sites of *.atlassian-us-gov-mod.net
)

// Resolver turns addresses of sites into those of the gateway and back.
//
// Tokens of OAuth 2.0 (3LO) and scoped API tokens are refused with 401 at https://{site}.atlassian.net:
// only the gateway takes them, under another path for each product. A Resolver knows its Sites and no
// others, so that nothing meant for one of them ends elsewhere.
type Resolver struct {
	// Sites are those that the token reaches, from [ReadSites].
	Sites []Site
	// Gateway is scheme and host of the gateway, without a slash at the end; "" means [Gateway].
	Gateway string
}

// ToGateway turns the address of an API call at a site into its address at the gateway:
//
//	https://{site}/rest/...  becomes  https://api.atlassian.com/ex/jira/{cloud id}/rest/...
//	https://{site}/wiki/...  becomes  https://api.atlassian.com/ex/confluence/{cloud id}/wiki/...
//
// Jira Software (/rest/agile) and Jira Service Management (/rest/servicedeskapi) are behind Jira's path.
// Escapes and the query stay as they are, a fragment goes, and an address that is already the gateway's
// stays, if it is of one of the Sites.
//
// It does not look whether the site has the product. Errors, of kind BadRequest or NotFound, are for
// addresses that are no API call of one of the Sites: other hosts, pages for people such as /browse,
// addresses with a user or with dot segments, which might lead to another site.
func (r *Resolver) ToGateway(u *url.URL) (*url.URL, error) {
	if err := checkAddress(u); err != nil {
		return nil, err
	}
	gateway, err := r.gateway()
	if err != nil {
		return nil, err
	}
	if sameOrigin(u, gateway) {
		if _, _, _, err := r.splitGateway(u); err != nil {
			return nil, err
		}
		return rebuilt(u, gateway, u.EscapedPath())
	}
	site, err := r.siteAt(u)
	if err != nil {
		return nil, err
	}
	path := u.EscapedPath()
	switch {
	case strings.HasPrefix(path, "/rest/"):
		return rebuilt(u, gateway, "/ex/jira/"+site.ID+path)
	case path == "/wiki" || strings.HasPrefix(path, "/wiki/"):
		return rebuilt(u, gateway, "/ex/confluence/"+site.ID+path)
	}
	return nil, keybearer.Errorf(keybearer.BadRequest,
		"%s is no address of an API: those of Jira begin with /rest/, those of Confluence with /wiki/", shown(u))
}

// ToSite is the way back, for messages: where people find what the gateway was asked for. Addresses of
// Confluence that left out /wiki, which the gateway permits, get it. An address that is already one of
// the Sites stays. Errors are those of [Resolver.ToGateway].
func (r *Resolver) ToSite(u *url.URL) (*url.URL, error) {
	if err := checkAddress(u); err != nil {
		return nil, err
	}
	gateway, err := r.gateway()
	if err != nil {
		return nil, err
	}
	if !sameOrigin(u, gateway) {
		site, err := r.siteAt(u)
		if err != nil {
			return nil, err
		}
		return rebuiltAt(u, site.URL, u.EscapedPath())
	}
	site, product, path, err := r.splitGateway(u)
	if err != nil {
		return nil, err
	}
	if site.URL == "" {
		return nil, keybearer.Errorf(keybearer.NotFound, "Atlassian named no address for the site %s", site)
	}
	if product == Confluence && path != "/wiki" && !strings.HasPrefix(path, "/wiki/") {
		path = "/wiki" + path
	}
	return rebuiltAt(u, site.URL, path)
}

// splitGateway takes /ex/{product}/{cloud id}/... apart. The path that is left is escaped.
func (r *Resolver) splitGateway(u *url.URL) (Site, Product, string, error) {
	parts := strings.SplitN(u.EscapedPath(), "/", 5) // "", ex, product, cloud id, rest
	if len(parts) < 4 || parts[1] != "ex" || parts[2] != "jira" && parts[2] != "confluence" {
		return Site{}, "", "", keybearer.Errorf(keybearer.BadRequest,
			"%s is no address of a product: those begin with /ex/jira/{cloud id}/ or /ex/confluence/{cloud id}/", shown(u))
	}
	for _, s := range r.Sites {
		if s.ID == parts[3] {
			path := ""
			if len(parts) == 5 {
				path = "/" + parts[4]
			}
			return s, Product(parts[2]), path, nil
		}
	}
	return Site{}, "", "", &ChoiceError{Wanted: parts[3], Sites: r.Sites}
}

func (r *Resolver) siteAt(u *url.URL) (Site, error) {
	if u.Scheme == "https" {
		address := "https://" + plainHost(u)
		var found []Site
		for _, s := range r.Sites {
			if s.URL == address {
				found = append(found, s)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return Site{}, &ChoiceError{Wanted: address, Sites: found}
		}
	}
	return Site{}, &ChoiceError{Wanted: u.Scheme + "://" + u.Host, Sites: r.Sites}
}

func (r *Resolver) gateway() (*url.URL, error) {
	raw := r.Gateway
	if raw == "" {
		raw = Gateway
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" {
		return nil, keybearer.Errorf(keybearer.BadRequest, "the gateway has to be scheme and host, such as %s", Gateway)
	}
	return u, nil
}

// checkAddress refuses what could lead elsewhere than it seems. Dot segments count in any spelling: who
// unescapes once more than we do would leave the site's part of the gateway.
func checkAddress(u *url.URL) error {
	if u.User != nil || u.Opaque != "" || u.Host == "" {
		return keybearer.Errorf(keybearer.BadRequest, "an address needs scheme and host, and no user in it")
	}
	path := u.Path
	for range 3 {
		for _, segment := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }) {
			if segment == "." || segment == ".." {
				return keybearer.Errorf(keybearer.BadRequest, "%s has dot segments: write the path that is meant", shown(u))
			}
		}
		again, err := url.PathUnescape(path)
		if err != nil || again == path {
			break
		}
		path = again
	}
	return nil
}

func sameOrigin(u, gateway *url.URL) bool {
	return u.Scheme == gateway.Scheme && plainHost(u) == plainHost(gateway)
}

func rebuiltAt(u *url.URL, base, path string) (*url.URL, error) {
	to, err := url.Parse(base)
	if err != nil {
		return nil, keybearer.Errorf(keybearer.BadRequest, "the site's address cannot be read")
	}
	return rebuilt(u, to, path)
}

// rebuilt is path, which is escaped, at base with the query of u.
func rebuilt(u, base *url.URL, path string) (*url.URL, error) {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return nil, keybearer.Errorf(keybearer.BadRequest, "the path of %s cannot be read", shown(u))
	}
	return &url.URL{
		Scheme: base.Scheme, Host: base.Host, Path: decoded, RawPath: path,
		RawQuery: u.RawQuery, ForceQuery: u.ForceQuery,
	}, nil
}

// shown is an address without its query, which may hold anything.
func shown(u *url.URL) string {
	return printable(u.Scheme+"://"+u.Host+u.EscapedPath(), maxSiteText)
}

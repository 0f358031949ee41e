package atlassian

import (
	"bytes"
	"errors"
	"net/url"

	"github.com/keybearer/keybearer"
)

// SiteRules tell a [keybearer.Broker] about Atlassian's sites, by [ReadSites], [Select] and [Resolver].
type SiteRules struct{}

var _ keybearer.SiteRules = SiteRules{}

// ReadSites is [ReadSites].
func (SiteRules) ReadSites(answer []byte) ([]keybearer.Site, error) {
	read, err := ReadSites(bytes.NewReader(answer))
	if err != nil {
		return nil, err
	}
	sites := make([]keybearer.Site, len(read))
	for i, s := range read {
		sites[i] = keybearer.Site{ID: s.ID, Name: s.Name, URL: s.URL, Scopes: s.Scopes}
		for _, p := range s.Products {
			sites[i].Products = append(sites[i].Products, string(p))
		}
	}
	return sites, nil
}

// SelectSite is [Select].
func (SiteRules) SelectSite(sites []keybearer.Site, wanted string) (keybearer.Site, error) {
	found, err := Select(fromBroker(sites), wanted)
	if err != nil {
		return keybearer.Site{}, kinded(err)
	}
	for _, s := range sites {
		if s.ID == found.ID {
			return s, nil
		}
	}
	return keybearer.Site{}, keybearer.Errorf(keybearer.Internal, "a site that is not in the list was selected")
}

// SiteAddress is [Resolver.ToGateway].
func (SiteRules) SiteAddress(sites []keybearer.Site, gateway string, u *url.URL) (*url.URL, error) {
	at, err := (&Resolver{Sites: fromBroker(sites), Gateway: gateway}).ToGateway(u)
	return at, kinded(err)
}

// kinded makes a choice that is to be made an error that doors know how to tell.
func kinded(err error) error {
	if choice, ok := errors.AsType[*ChoiceError](err); ok {
		return keybearer.Errorf(keybearer.KindOf(choice), "%w", choice)
	}
	return err
}

func fromBroker(sites []keybearer.Site) []Site {
	out := make([]Site, len(sites))
	for i, s := range sites {
		out[i] = Site{ID: s.ID, Name: s.Name, URL: s.URL, Scopes: s.Scopes}
		for _, p := range s.Products {
			out[i].Products = append(out[i].Products, Product(p))
		}
	}
	return out
}

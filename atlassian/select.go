package atlassian

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer"
)

// ChoiceError says that it is not clear which site is meant. It unwraps to a [keybearer.Kind]: NotFound
// if the token does not reach a site of that name, or none at all, BadRequest if somebody has to choose.
type ChoiceError struct {
	// Wanted is what was asked for, or "".
	Wanted string
	// Sites are those to choose from.
	Sites []Site
}

func (e *ChoiceError) Error() string {
	wanted := strconv.Quote(printable(e.Wanted, maxSiteText))
	switch {
	case len(e.Sites) == 0:
		return "the token is valid but reaches no Atlassian site: choose a site when you consent, and ask the site's admin to allow the app"
	case e.Wanted == "":
		return fmt.Sprintf("the token reaches %d Atlassian sites; choose one by its URL or cloud id:%s", len(e.Sites), list(e.Sites))
	case e.ambiguous():
		return fmt.Sprintf("several Atlassian sites are called %s; choose one by its cloud id:%s", wanted, list(e.Sites))
	}
	return fmt.Sprintf("the token does not reach the Atlassian site %s; it reaches:%s", wanted, list(e.Sites))
}

// Unwrap makes errors.Is(err, kind) work.
func (e *ChoiceError) Unwrap() error {
	if e.ambiguous() || e.Wanted == "" && len(e.Sites) > 0 {
		return keybearer.BadRequest
	}
	return keybearer.NotFound
}

// ambiguous tells apart "several are called so" from "none is": the sites to choose from answer to the name.
func (e *ChoiceError) ambiguous() bool {
	return len(e.Sites) > 1 && len(matching(e.Sites, e.Wanted)) == len(e.Sites)
}

func list(sites []Site) string {
	const most = 20 // a person can read
	var b strings.Builder
	for i, s := range sites {
		if i == most {
			fmt.Fprintf(&b, "\n  and %d more", len(sites)-most)
			break
		}
		fmt.Fprintf(&b, "\n  %s (%s)", s, s.ID)
	}
	return b.String()
}

// Select finds the site that is meant: by cloud id, else by URL (case, scheme, slash and path do not
// count, so that an address copied from a browser works), else by the name before .atlassian.net; and
// where wanted is empty, the only one. It never guesses: any other error is a [*ChoiceError], which lists
// the sites to choose from.
func Select(sites []Site, wanted string) (Site, error) {
	wanted = strings.TrimSpace(wanted)
	found := sites
	if wanted != "" {
		found = matching(sites, wanted)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Site{}, &ChoiceError{Wanted: wanted, Sites: sites}
	}
	return Site{}, &ChoiceError{Wanted: wanted, Sites: found}
}

// matching tries the ways to name a site in turn, the most exact first.
func matching(sites []Site, wanted string) []Site {
	address := addressOf(wanted)
	for _, named := range []func(Site) bool{
		func(s Site) bool { return strings.EqualFold(s.ID, wanted) },
		func(s Site) bool { return s.URL != "" && s.URL == address },
		func(s Site) bool { return s.Subdomain() != "" && strings.EqualFold(s.Subdomain(), wanted) },
	} {
		var found []Site
		for _, s := range sites {
			if named(s) {
				found = append(found, s)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// addressOf reads what a person types or pastes.
func addressOf(wanted string) string {
	if _, rest, found := strings.Cut(wanted, "://"); found {
		wanted = rest
	}
	u, err := url.Parse("https://" + wanted)
	if err != nil || u.User != nil {
		return ""
	}
	return "https://" + plainHost(u)
}

// Subdomain is the site's name before .atlassian.net (or .atlassian-us-gov-mod.net, where the government's
// sites are), or "" at another address.
func (s Site) Subdomain() string {
	host := strings.TrimPrefix(s.URL, "https://")
	for _, domain := range []string{".atlassian.net", ".atlassian-us-gov-mod.net"} {
		if name, found := strings.CutSuffix(host, domain); found {
			return name
		}
	}
	return ""
}

// Compare tells what changed between two lists of the same token: sites that it reached and does not any
// more, and those that it reaches now. Sites are the same if their cloud ids are. Atlassian changes both
// without anybody refreshing: a person's next consent with the same app adds sites to all their tokens.
func Compare(before, now []Site) (vanished, appeared []Site) {
	return without(before, now), without(now, before)
}

func without(sites, others []Site) []Site {
	known := map[string]bool{}
	for _, s := range others {
		known[s.ID] = true
	}
	var left []Site
	for _, s := range sites {
		if !known[s.ID] {
			left = append(left, s)
		}
	}
	return left
}

package child

import (
	"fmt"
	"net/url"
)

// errNoIsolation says why a run cannot be isolated. What to do without is part of each such sentence, as is what that means.
func errNoIsolation(reason string) error {
	return fmt.Errorf("this run cannot be isolated: %s. Nothing was started. Without isolation the program runs with the "+
		"proxy in its environment, but can go around it if it wants to", reason)
}

// inside gives the proxy's address as it is in an isolated run: the loopback of the child's own network.
func inside(proxy *url.URL) *url.URL {
	u := *proxy
	u.Host = "127.0.0.1:" + proxy.Port()
	return &u
}

package tool

import (
	"net/http"
	"net/netip"

	"github.com/keybearer/keybearer/api"
)

// carrier puts the user's token on requests.
type carrier struct {
	call *Call
	base http.RoundTripper
}

func (t *carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	lent := t.call.lent
	if lent == nil || lent.Token == "" {
		return t.base.RoundTrip(req)
	}
	host := req.URL.Hostname()
	switch {
	case !t.call.tool.requires.allows(host):
		return nil, &Error{Kind: api.ToolFatal, Message: "the user's token is not for " + host + ": the tool declares other hosts"}
	case req.URL.Scheme != "https" && !thisMachine(host):
		return nil, &Error{Kind: api.ToolFatal, Message: "the user's token is not sent over plain http, to " + host}
	}
	sent := req.Clone(req.Context()) // a RoundTripper does not change its request
	if lent.Username != "" {
		sent.SetBasicAuth(lent.Username, lent.Token)
	} else {
		sent.Header.Set("Authorization", "Bearer "+lent.Token)
	}
	return t.base.RoundTrip(sent)
}

func thisMachine(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

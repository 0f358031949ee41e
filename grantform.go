package keybearer

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"
)

// The plain text of a sealed grant is a version, then fields: a tag, a length as uvarint, the bytes. It
// is not JSON because every token that is handed out opens one, and reading JSON took a fifth of the
// whole request. A reader skips tags that it does not know, so fields may be added.
const grantVersion = 0x01

const (
	tagAccessToken   = 1
	tagRefreshToken  = 2
	tagTokenType     = 3
	tagIDToken       = 4
	tagUserInfo      = 5
	tagClientID      = 6
	tagTokenEndpoint = 7
	tagElsewhere     = 8 // may come several times
	tagFlow          = 9
	tagRedirectURI   = 10
	tagUsername      = 11
	tagClientSecret  = 12
	tagSites         = 13
	tagConsentedAt   = 14 // seconds since 1970, in decimal
	tagHosts         = 15 // may come several times
)

// form writes the grant's plain text.
func (g *grant) form() []byte {
	out := []byte{grantVersion}
	put := func(tag byte, text string) {
		if text == "" {
			return
		}
		out = append(out, tag)
		out = binary.AppendUvarint(out, uint64(len(text)))
		out = append(out, text...)
	}
	put(tagAccessToken, g.AccessToken)
	put(tagRefreshToken, g.RefreshToken)
	put(tagTokenType, g.TokenType)
	put(tagIDToken, g.IDToken)
	put(tagUserInfo, string(g.UserInfo))
	put(tagClientID, g.ClientID)
	put(tagTokenEndpoint, g.TokenEndpoint)
	for _, endpoint := range g.Elsewhere {
		put(tagElsewhere, endpoint)
	}
	put(tagFlow, string(g.Flow))
	put(tagRedirectURI, g.RedirectURI)
	put(tagUsername, g.Username)
	put(tagClientSecret, g.ClientSecret)
	put(tagSites, string(g.Sites))
	if !g.ConsentedAt.IsZero() {
		put(tagConsentedAt, strconv.FormatInt(g.ConsentedAt.Unix(), 10))
	}
	for _, host := range g.Hosts {
		put(tagHosts, host)
	}
	return out
}

var errGrantForm = errors.New("the grant is not in a known form")

// readGrant reads what form wrote.
func readGrant(plain []byte) (grant, error) {
	var g grant
	if len(plain) == 0 || plain[0] != grantVersion {
		return g, errGrantForm
	}
	for rest := plain[1:]; len(rest) > 0; {
		tag := rest[0]
		length, n := binary.Uvarint(rest[1:])
		if n <= 0 || length > uint64(len(rest)-1-n) {
			return grant{}, errGrantForm
		}
		value := rest[1+n : 1+n+int(length)]
		rest = rest[1+n+int(length):]
		switch tag {
		case tagAccessToken:
			g.AccessToken = string(value)
		case tagRefreshToken:
			g.RefreshToken = string(value)
		case tagTokenType:
			g.TokenType = string(value)
		case tagIDToken:
			g.IDToken = string(value)
		case tagUserInfo:
			g.UserInfo = value
		case tagClientID:
			g.ClientID = string(value)
		case tagTokenEndpoint:
			g.TokenEndpoint = string(value)
		case tagElsewhere:
			g.Elsewhere = append(g.Elsewhere, string(value))
		case tagFlow:
			g.Flow = AuthorizationID(value)
		case tagRedirectURI:
			g.RedirectURI = string(value)
		case tagUsername:
			g.Username = string(value)
		case tagClientSecret:
			g.ClientSecret = string(value)
		case tagSites:
			g.Sites = value
		case tagConsentedAt:
			if seconds, err := strconv.ParseInt(string(value), 10, 64); err == nil {
				g.ConsentedAt = time.Unix(seconds, 0).UTC()
			}
		case tagHosts:
			g.Hosts = append(g.Hosts, string(value))
		}
	}
	return g, nil
}

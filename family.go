package keybearer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/keybearer/keybearer/seal"
)

// family names the grant that a connection shares with others of its account, where the provider keeps
// one for a client and an account; see [Connection.Family]. It is empty where user info does not tell
// the account.
func family(p *Provider, g *grant) string {
	if !p.Definition.Refresh.SharedFate() || g.ClientSecret != "" {
		return ""
	}
	key, id := account(g.UserInfo)
	if key == "" {
		return ""
	}
	sum := sha256.Sum256(seal.Place("family", g.ClientID, g.TokenEndpoint, key, id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// accountKeys are where user info tells the account, the surest first.
func accountKeys() []string { return []string{"sub", "account_id", "id", "user_id", "email"} }

// account is what user info tells of the account: the first of the keys that it has, and its value as
// JSON. Ids may be objects, or numbers beyond float64.
func account(userInfo json.RawMessage) (key, id string) {
	var info map[string]json.RawMessage
	if json.Unmarshal(userInfo, &info) != nil {
		return "", ""
	}
	for _, key := range accountKeys() {
		if said(info[key]) {
			return key, string(info[key])
		}
	}
	return "", ""
}

func said(value json.RawMessage) bool { return value != nil && string(value) != "null" }

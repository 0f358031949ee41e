package atlassian

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
)

// The keys of AtlassianApiModule's map, and the one that is ours. What else is there is kept as it is.
const (
	keyToken    = "token"
	keyScopes   = "scopes"
	keyValid    = "valid_until"
	keyRefresh  = "refresh_token"
	keyState    = "oauth_state"
	keyVerifier = "code_verifier"
	keyOurs     = "keybearer"
)

// state is what a [Store] keeps, read.
type state struct {
	token, refresh string
	scopes         string
	validUntil     time.Time // zero: unknown, which counts as past
	// oauthState and verifier are of the sign-in that was started last.
	oauthState, verifier string

	ours  ours
	other map[string]json.RawMessage // keys of somebody else
}

// ours is what the module's map has no place for.
type ours struct {
	// Of is a hash of the tokens that this is about: the module may still write to the same map.
	Of       []byte                    `json:"of,omitempty"`
	ID       keybearer.ConnectionID    `json:"id,omitempty"`
	Version  int64                     `json:"version,omitempty"`
	State    keybearer.ConnectionState `json:"state,omitempty"`
	Reason   string                    `json:"reason,omitempty"`
	Issued   time.Time                 `json:"issued,omitzero"`
	Created  time.Time                 `json:"created,omitzero"`
	Updated  time.Time                 `json:"updated,omitzero"`
	Type     string                    `json:"token_type,omitempty"`
	Client   string                    `json:"client_id,omitempty"`
	Endpoint string                    `json:"token_endpoint,omitempty"`
	Redirect string                    `json:"redirect_uri,omitempty"`
	Consent  keybearer.AuthorizationID `json:"consent,omitempty"`
	// Consented is when that was: Atlassian is said to end a grant a year later, however busy it is.
	Consented time.Time           `json:"consented,omitzero"`
	Rotation  *keybearer.Rotation `json:"rotation,omitempty"`
	Logins    []login             `json:"logins,omitempty"`
	Turn      turn                `json:"turn,omitzero"`
}

var errNoState = errors.New("what is stored is no JSON object, and so not the state of a client: " +
	"compare the store with the one that the state was written to")

// readState reads what a store gave, or what an integration exported. No error holds any of it.
func readState(raw []byte) (state, error) {
	var s state
	if len(bytes.TrimSpace(raw)) == 0 {
		return s, nil
	}
	if len(raw) > maxState {
		return s, errNoState
	}
	if json.Unmarshal(raw, &s.other) != nil || s.other == nil {
		return s, errNoState
	}
	s.token, s.refresh = s.text(keyToken), s.text(keyRefresh)
	s.scopes, s.oauthState, s.verifier = s.text(keyScopes), s.text(keyState), s.text(keyVerifier)
	s.validUntil = s.instant(keyValid)
	if mine, ok := s.other[keyOurs]; ok {
		delete(s.other, keyOurs)
		if json.Unmarshal(mine, &s.ours) != nil {
			return s, errNoState // it may hold the journal of a refresh
		}
	}
	return s, nil
}

// text takes a key out of the rest. Null and other types than text are nothing; scopes may be a list.
func (s *state) text(key string) string {
	raw, ok := s.other[key]
	if !ok {
		return ""
	}
	delete(s.other, key)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var list []string
	if key == keyScopes && json.Unmarshal(raw, &list) == nil {
		return strings.Join(list, " ")
	}
	return ""
}

// instant takes seconds since 1970 out of the rest: a number, or a text of one.
func (s *state) instant(key string) time.Time {
	raw, ok := s.other[key]
	if !ok {
		return time.Time{}
	}
	delete(s.other, key)
	seconds, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	const farOff = 1 << 33 // the year 2242
	if err != nil || math.IsNaN(seconds) || seconds <= 0 || seconds > farOff {
		return time.Time{}
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC()
}

// form is what is stored: the module's map with our key.
func (s *state) form() []byte { return s.written(true) }

// export is the module's map as it would have it.
func (s *state) export() []byte { return s.written(false) }

func (s *state) written(withOurs bool) []byte {
	all := map[string]any{}
	for key, raw := range s.other {
		all[key] = raw
	}
	for key, text := range map[string]string{
		keyToken: s.token, keyRefresh: s.refresh, keyScopes: s.scopes, keyState: s.oauthState, keyVerifier: s.verifier,
	} {
		if text != "" {
			all[key] = text
		}
	}
	if !s.validUntil.IsZero() {
		all[keyValid] = float64(s.validUntil.UnixMicro()) / 1e6
	}
	if withOurs {
		all[keyOurs] = s.ours
	}
	out, err := json.Marshal(all)
	if err != nil { // texts, numbers, and JSON that was read from JSON
		return []byte("{}")
	}
	return out
}

// mark is the hash of the tokens.
func (s *state) mark() []byte {
	sum := sha256.Sum256([]byte(s.token + "\x00" + s.refresh))
	return sum[:16]
}

// ownTokens reports whether our key is about the tokens that are there, and not about former ones.
func (s *state) ownTokens() bool { return bytes.Equal(s.ours.Of, s.mark()) }

// connected reports whether there are tokens.
func (s *state) connected() bool { return s.token != "" || s.refresh != "" }

func (s state) clone() state {
	s.other = maps.Clone(s.other)
	s.ours.Logins = append([]login(nil), s.ours.Logins...)
	return s
}

package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/keybearer/keybearer"
)

// deed is one of the things that a writer does in every round, from 1, before it is killed.
type deed struct {
	name string
	asks func(s Stores) bool
	do   func(ctx context.Context, s Stores, hand string, round int) error
	// check finds the traces of a hand whose last answered rounds were those, by deed. The round after
	// may be there, too: it was under way.
	check func(ctx context.Context, s Stores, hand string, said map[string]int) error
	once  bool // looking changes what is there
}

func deeds() []deed {
	return []deed{
		{"connection", hasConnections, connectionDeed, connectionTrace, false},
		{"deletion", hasConnections, deletionDeed, deletionTrace, false},
		{"claim", hasUpkeep, claimDeed, claimTrace, false},
		{"use", hasUpkeep, useDeed, useTrace, false},
		{"flow", hasFlows, flowDeed, flowTrace, false},
		{"attempt", hasAttempts, attemptDeed, nothing, false},
		{"taking", hasAttempts, takingDeed, attemptTrace, true},
		{"provider", hasProviders, providerDeed, providerTrace, false},
		{"key", hasKeys, keyDeed, keyTrace, false},
		{"account", hasAccounts, accountDeed, accountTrace, false},
		{"session", hasSessions, sessionDeed, nothing, false},
		{"leaving", hasSessions, leavingDeed, sessionTrace, false},
		{"run", hasRuns, runDeed, runTrace, false},
		{"setting", hasSettings, settingDeed, settingTrace, false},
	}
}

func hasConnections(s Stores) bool { return s.Connections != nil }
func hasUpkeep(s Stores) bool      { return s.Connections != nil && s.Upkeep != nil }
func hasFlows(s Stores) bool       { return s.Flows != nil }
func hasAttempts(s Stores) bool    { return s.Attempts != nil }
func hasProviders(s Stores) bool   { return s.Providers != nil }
func hasKeys(s Stores) bool        { return s.Keys != nil }
func hasAccounts(s Stores) bool    { return s.Accounts != nil }
func hasSessions(s Stores) bool    { return s.Sessions != nil }
func hasRuns(s Stores) bool        { return s.Runs != nil }
func hasSettings(s Stores) bool    { return s.Settings != nil }

func nothing(context.Context, Stores, string, map[string]int) error { return nil }

// isRound checks that what was found is of the last answered round or of the one under way.
func isRound(got, said int) error {
	if got != said && got != said+1 {
		return fmt.Errorf("got round %d, want %d or %d", got, said, said+1)
	}
	return nil
}

// isWhole checks that what was found is what one round has written.
func isWhole[T any](got, want T) error {
	if diff := difference(got, want); diff != "" {
		return fmt.Errorf("half of a write is there (-want +got):\n%s", diff)
	}
	return nil
}

// absent takes a missing row for round 0.
func absent(err error, said int) error {
	if errors.Is(err, keybearer.NotFound) {
		return isRound(0, said)
	}
	return err
}

// large is a value that only one round has, over several pages of a file, so that half of it shows.
func large(round int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%08d", round), 1000) }

// hashOf differs for each row of each hand.
func hashOf(hand, what string, round int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", hand, what, round))
	return sum[:]
}

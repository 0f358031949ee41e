package storetest

import (
	"context"

	"github.com/keybearer/keybearer"
)

// runOf is moved in each round.
func runOf(hand string, round int) keybearer.Run {
	r := run(round)
	r.ID, r.Content = keybearer.RunID("te_"+hand), large(round)
	return r
}

func runDeed(ctx context.Context, s Stores, hand string, round int) error {
	_, err := s.Runs.PutRun(ctx, runOf(hand, round), int64(round-1))
	return err
}

// runTrace finds that a run is where it was moved to, with its journal and what it holds.
func runTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	got, err := s.Runs.Run(ctx, project, runOf(hand, 1).ID)
	if err != nil {
		return absent(err, said["run"])
	}
	if err := isRound(int(got.Version), said["run"]); err != nil {
		return err
	}
	return isWhole(got, keptRun(runOf(hand, int(got.Version)), got.Version))
}

package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/keybearer/keybearer"
)

// flowOf is what a hand writes in a round: the first makes the flow, the others advance it.
func flowOf(hand string, round int) keybearer.Flow {
	f := flow(1)
	f.ID, f.User = keybearer.AuthorizationID("ac_"+hand), keybearer.UserID(hand)
	f.Reason, f.Grant, f.Version = fmt.Sprint(round), large(round), int64(round-1)
	if round > 1 {
		f.State, f.VerificationID = keybearer.FlowVerifying, keybearer.FlowID("af_"+hand)
	}
	return f
}

func flowDeed(ctx context.Context, s Stores, hand string, round int) error {
	f := flowOf(hand, round)
	if round == 1 {
		_, err := s.Flows.CreateFlow(ctx, f, f.CreatedAt)
		return err
	}
	_, err := s.Flows.AdvanceFlow(ctx, f)
	return err
}

func flowTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	want := flowOf(hand, 2)
	got, err := s.Flows.Flow(ctx, want.Project, want.ID)
	if err != nil {
		return absent(err, said["flow"])
	}
	if err := isRound(int(got.Version), said["flow"]); err != nil {
		return err
	}
	if err := isWhole(got, keptFlow(flowOf(hand, int(got.Version)), got.Version)); err != nil {
		return err
	}
	verifying, err := s.Flows.FlowByVerification(ctx, want.Project, want.VerificationID)
	if err != nil {
		return absent(err, min(int(got.Version)-1, 1)) // the first version has no verification id yet
	}
	return isWhole(verifying, got)
}

func attemptOf(hand string, round int) keybearer.Attempt {
	a := attempt(round)
	a.Flow, a.StateHash = flowOf(hand, 1).ID, hashOf(hand, "state", round)
	a.BrowserHash, a.Verifier = hashOf(hand, "browser", round), large(round)
	return a
}

func attemptDeed(ctx context.Context, s Stores, hand string, round int) error {
	return s.Attempts.PutAttempt(ctx, attemptOf(hand, round))
}

// takingDeed takes the attempt of the round before.
func takingDeed(ctx context.Context, s Stores, hand string, round int) error {
	if round == 1 {
		return nil
	}
	_, err := s.Attempts.TakeAttempt(ctx, attemptOf(hand, round-1).StateHash)
	return err
}

// attemptTrace finds that a state works once, though the engine was killed in between.
func attemptTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	put, taken := said["attempt"], said["taking"]-1
	for round := 1; round <= put; round++ {
		want := attemptOf(hand, round)
		got, err := s.Attempts.TakeAttempt(ctx, want.StateHash)
		switch {
		case errors.Is(err, keybearer.NotFound):
			if round > taken+1 { // the taking of the one after the last was under way
				return fmt.Errorf("the attempt of round %d of %d is gone, and only %d were taken", round, put, taken)
			}
		case err != nil:
			return err
		case round <= taken:
			return fmt.Errorf("the attempt of round %d could be taken again", round)
		default:
			if err := isWhole(got, keptAttempt(want)); err != nil {
				return err
			}
		}
	}
	return nil
}

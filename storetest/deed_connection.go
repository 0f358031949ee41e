package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keybearer/keybearer"
)

// connectionOf is what a hand writes in a round.
func connectionOf(hand string, round int) keybearer.Connection {
	c := connection(round)
	c.ID, c.User = keybearer.ConnectionID("conn_"+hand), keybearer.UserID(hand)
	c.Reason, c.Grant, c.Rotation.Token = fmt.Sprint(round), large(round), hashOf(hand, "token", round)
	c.DueAt, c.UsedAt = at(round), at(round)
	return c
}

func connectionDeed(ctx context.Context, s Stores, hand string, round int) error {
	_, err := s.Connections.PutConnection(ctx, connectionOf(hand, round), int64(round-1))
	return err
}

func connectionTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	want := connectionOf(hand, 1)
	got, err := s.Connections.Connection(ctx, want.Ref)
	if err != nil {
		return absent(err, said["connection"])
	}
	if err := isRound(int(got.Version), said["connection"]); err != nil {
		return err
	}
	if err := isWhole(got, keptConnection(connectionOf(hand, int(got.Version)), got.Version)); err != nil {
		return err
	}
	byID, err := s.Connections.ConnectionByID(ctx, want.Project, want.ID)
	if err != nil {
		return err
	}
	return isWhole(byID, got)
}

// doomed is a connection that is deleted in the round in which it is made.
func doomed(hand string, round int) keybearer.Connection {
	return connectionOf(fmt.Sprintf("%s-doomed%d", hand, round), round)
}

func deletionDeed(ctx context.Context, s Stores, hand string, round int) error {
	c, err := s.Connections.PutConnection(ctx, doomed(hand, round), 0)
	if err != nil {
		return err
	}
	return s.Connections.DeleteConnection(ctx, c.Project, c.ID, c.Version)
}

func deletionTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	for round := 1; round <= said["deletion"]; round++ {
		c := doomed(hand, round)
		_, byRef := s.Connections.Connection(ctx, c.Ref)
		_, byID := s.Connections.ConnectionByID(ctx, c.Project, c.ID)
		if !errors.Is(byRef, keybearer.NotFound) || !errors.Is(byID, keybearer.NotFound) {
			return fmt.Errorf("got %v and %v for the connection deleted in round %d, want it gone", byRef, byID, round)
		}
	}
	return nil
}

// plannedOf is a connection that alone is of its provider, first due in round 1.
func plannedOf(hand string) keybearer.Connection {
	c := connectionOf(hand+"-planned", 1)
	c.Provider, c.DueAt, c.UsedAt = keybearer.ProviderID(hand), at(1), time.Time{}
	return c
}

func claimDeed(ctx context.Context, s Stores, hand string, round int) error {
	c := plannedOf(hand)
	if round == 1 {
		if _, err := s.Connections.PutConnection(ctx, c, 0); err != nil {
			return err
		}
	}
	got, err := s.Upkeep.ClaimDue(ctx, c.Project, c.Provider, at(round), at(round+1), 10)
	if err == nil && len(got) != 1 {
		err = fmt.Errorf("got %d connections that are due, want 1", len(got))
	}
	return err
}

func claimTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	got, err := s.Connections.Connection(ctx, plannedOf(hand).Ref)
	if err != nil {
		return absent(err, said["claim"])
	}
	return isRound(int(got.DueAt.Sub(kept(at(1)))/time.Second), said["claim"])
}

func useDeed(ctx context.Context, s Stores, hand string, round int) error {
	return s.Upkeep.Touch(ctx, map[keybearer.Ref]time.Time{plannedOf(hand).Ref: at(round)})
}

func useTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	got, err := s.Connections.Connection(ctx, plannedOf(hand).Ref)
	if err != nil {
		return absent(err, said["use"])
	}
	round := 0
	if !got.UsedAt.IsZero() {
		round = int(got.UsedAt.Sub(kept(at(0))) / time.Second)
	}
	return isRound(round, said["use"])
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/keybearer/keybearer"
)

func providerOf(hand string, round int) keybearer.Provider {
	p := provider(1)
	p.ID, p.Description, p.ClientSecret = keybearer.ProviderID(hand), fmt.Sprint(round), large(round)
	return p
}

func providerDeed(ctx context.Context, s Stores, hand string, round int) error {
	_, err := s.Providers.PutProvider(ctx, providerOf(hand, round), int64(round-1))
	return err
}

func providerTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	list, err := s.Providers.Providers(ctx, project)
	if err != nil {
		return err
	}
	for _, got := range list {
		if got.ID != providerOf(hand, 1).ID {
			continue
		}
		if err := isRound(int(got.Version), said["provider"]); err != nil {
			return err
		}
		return isWhole(got, keptProvider(providerOf(hand, int(got.Version)), got.Version))
	}
	return isRound(0, said["provider"])
}

// keyOf has another text in each round, which the store finds it by.
func keyOf(hand string, round int) keybearer.Key {
	k := key(1)
	k.ID, k.Name, k.Hash = "key_"+hand, fmt.Sprint(round), hashOf(hand, "key", round)
	return k
}

func keyDeed(ctx context.Context, s Stores, hand string, round int) error {
	return s.Keys.PutKey(ctx, keyOf(hand, round))
}

func keyTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	var found []int
	for round := 1; round <= said["key"]+1; round++ {
		got, err := s.Keys.KeyByHash(ctx, keyOf(hand, round).Hash)
		if errors.Is(err, keybearer.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := isWhole(got, keptKey(keyOf(hand, round))); err != nil {
			return err
		}
		found = append(found, round)
	}
	switch len(found) {
	case 0:
		return isRound(0, said["key"])
	case 1:
		return isRound(found[0], said["key"])
	}
	return fmt.Errorf("got the texts of rounds %v, want that of the last alone", found)
}

func accountOf(hand string, round int) keybearer.Account {
	a := account(keybearer.UserID(hand))
	a.PasswordHash, a.CreatedAt = fmt.Sprint(round), at(round)
	return a
}

func accountDeed(ctx context.Context, s Stores, hand string, round int) error {
	return s.Accounts.PutAccount(ctx, accountOf(hand, round))
}

func accountTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	got, err := s.Accounts.Account(ctx, project, keybearer.UserID(hand))
	if err != nil {
		return absent(err, said["account"])
	}
	round, err := strconv.Atoi(got.PasswordHash)
	if err != nil {
		return err
	}
	if err := isRound(round, said["account"]); err != nil {
		return err
	}
	return isWhole(got, keptAccount(accountOf(hand, round)))
}

func sessionOf(hand string, round int) keybearer.Session {
	return keybearer.Session{Hash: hashOf(hand, "session", round), Project: project, User: keybearer.UserID(hand), Expires: at(round)}
}

func sessionDeed(ctx context.Context, s Stores, hand string, round int) error {
	return s.Sessions.PutSession(ctx, sessionOf(hand, round))
}

// leavingDeed signs the session of the round before out.
func leavingDeed(ctx context.Context, s Stores, hand string, round int) error {
	if round == 1 {
		return nil
	}
	return s.Sessions.DeleteSession(ctx, sessionOf(hand, round-1).Hash)
}

// sessionTrace finds that whoever signed out stays so, and nobody else is.
func sessionTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	put, left := said["session"], said["leaving"]-1
	for round := 1; round <= put; round++ {
		want := sessionOf(hand, round)
		got, err := s.Sessions.Session(ctx, want.Hash)
		switch {
		case errors.Is(err, keybearer.NotFound):
			if round > left+1 { // signing out the one after the last was under way
				return fmt.Errorf("the session of round %d of %d is gone, and only %d were signed out", round, put, left)
			}
		case err != nil:
			return err
		case round <= left:
			return fmt.Errorf("the session of round %d was signed out and is there again", round)
		default:
			want.Expires = kept(want.Expires)
			if err := isWhole(got, want); err != nil {
				return err
			}
		}
	}
	return nil
}

func settingDeed(ctx context.Context, s Stores, hand string, round int) error {
	return s.Settings.PutSetting(ctx, project, hand, fmt.Appendf(nil, `{"round": %q}`, large(round)))
}

func settingTrace(ctx context.Context, s Stores, hand string, said map[string]int) error {
	got, err := s.Settings.Setting(ctx, project, hand)
	if err != nil {
		return absent(err, said["setting"])
	}
	for _, round := range []int{said["setting"], said["setting"] + 1} {
		if string(got) == fmt.Sprintf(`{"round": %q}`, large(round)) {
			return nil
		}
	}
	return fmt.Errorf("got a setting of %d bytes that neither round has written", len(got))
}

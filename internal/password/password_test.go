package password_test

import (
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/password"
	"github.com/keybearer/keybearer/secret"
)

func TestOnlyTheRightPasswordMatches(t *testing.T) {
	right := secret.New("correct horse")
	hash := password.Hash(right)
	if !password.Matches(hash, right) {
		t.Error("the right password does not match")
	}
	if password.Matches(hash, secret.New("wrong horse")) || password.Matches(hash, secret.New("")) {
		t.Error("a wrong password matches")
	}
	if hash == password.Hash(right) {
		t.Error("two hashes of one password are equal: there is no salt")
	}
	if strings.Contains(hash, "horse") {
		t.Error("the hash contains the password")
	}
}

func TestBrokenHashesMatchNothing(t *testing.T) {
	hash := password.Hash(secret.New(""))
	for _, broken := range []string{"", "$argon2id$", hash[:len(hash)-44] + "$", strings.Replace(hash, "m=19456", "m=999999999", 1), strings.Replace(hash, "argon2id", "argon2i", 1)} {
		if password.Matches(broken, secret.New("")) {
			t.Errorf("matched %q", broken)
		}
	}
}

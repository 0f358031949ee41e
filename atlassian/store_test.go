package atlassian_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

func keyring(t *testing.T) *seal.Keyring {
	t.Helper()
	ring, err := seal.NewKeyring(seal.Key{ID: "k", Secret: secret.New("a-fixture-of-thirty-two-characters")})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// every store that the package has, made for a test.
func stores(t *testing.T) map[string]atlassian.Store {
	t.Helper()
	return map[string]atlassian.Store{
		"memory":        &atlassian.MemoryStore{},
		"a file":        atlassian.FileStore{Path: filepath.Join(t.TempDir(), "jira.json")},
		"a sealed file": atlassian.Sealed(atlassian.FileStore{Path: filepath.Join(t.TempDir(), "jira.sealed")}, keyring(t)),
		"sealed memory": atlassian.Sealed(&atlassian.MemoryStore{}, keyring(t)),
	}
}

func TestStoresSwapOnlyWhatIsStillThere(t *testing.T) {
	for name, store := range stores(t) {
		load := func(want string) {
			t.Helper()
			if got, err := store.Load(t.Context()); err != nil || string(got) != want {
				t.Fatalf("%s: got %q, %v; want %q", name, got, err, want)
			}
		}
		load("")
		if err := store.Swap(t.Context(), []byte("x"), []byte("{1}")); !errors.Is(err, keybearer.Conflict) {
			t.Errorf("%s: got %v for what is not there", name, err)
		}
		if err := store.Swap(t.Context(), nil, []byte("{1}")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		load("{1}")
		if err := store.Swap(t.Context(), nil, []byte("{2}")); !errors.Is(err, keybearer.Conflict) {
			t.Errorf("%s: got %v for a second beginning", name, err)
		}
		if err := store.Swap(t.Context(), []byte("{1}"), []byte("{3}")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		load("{3}")
	}
}

func TestStoresLetOneOfManyWin(t *testing.T) {
	for name, store := range stores(t) {
		var crowd sync.WaitGroup
		for range 8 {
			crowd.Go(func() {
				for done := 0; done < 5; {
					old, err := store.Load(t.Context())
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					n, _ := strconv.Atoi(strings.Trim(string(old), "{}")) // nothing is 0
					err = store.Swap(t.Context(), old, []byte("{"+strconv.Itoa(n+1)+"}"))
					if err == nil {
						done++
					} else if !errors.Is(err, keybearer.Conflict) {
						t.Errorf("%s: %v", name, err)
						return
					}
				}
			})
		}
		crowd.Wait()
		if got, err := store.Load(t.Context()); err != nil || string(got) != "{40}" {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

func TestClientWorksOverEveryStore(t *testing.T) {
	for name, store := range stores(t) {
		d := atServer(t, atlassian.Jira, func(c *atlassian.Config) { c.Store = store }).connect()
		d.clock.Advance(time.Hour)
		d.token()
		if _, err := d.another().TestConnection(t.Context()); err != nil || d.rotations() != 1 {
			t.Errorf("%s: after %d rotations: %v", name, d.rotations(), err)
		}
	}
}

func TestFileIsForItsOwnerAndComplete(t *testing.T) {
	folder := t.TempDir()
	store := atlassian.FileStore{Path: filepath.Join(folder, "jira.json")}
	d := atCloud(t, func(c *atlassian.Config) { c.Store = store }).connect()
	d.clock.Advance(time.Hour)
	d.token()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v", entry.Name(), info.Mode(), err)
		}
	}
	if len(entries) != 2 { // and its lock
		t.Errorf("%d files are left", len(entries))
	}
	if _, err := (atlassian.FileStore{Path: filepath.Join(folder, "nowhere", "x")}).Load(t.Context()); err != nil {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := (atlassian.FileStore{Path: filepath.Join(folder, "nowhere", "x")}).Swap(t.Context(), nil, []byte("{}")); err == nil {
		t.Error("a folder that is not there was written to")
	}
	if err := os.WriteFile(store.Path, bytes.Repeat([]byte(" "), 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(t.Context()); err == nil {
		t.Error("a huge file was read")
	}
}

func TestSealedStoreShowsNothingAndTakesWhatIsThere(t *testing.T) {
	inner := &atlassian.MemoryStore{}
	d := atCloud(t, func(c *atlassian.Config) { c.Store = inner }).connect()
	token := d.token()
	if raw, err := inner.Load(t.Context()); err != nil || !bytes.Contains(raw, []byte(token)) {
		t.Fatalf("the token is not in the clear, so the test tests nothing: %v", err)
	}
	d.config.Store = atlassian.Sealed(inner, keyring(t))
	sealed := d.another()
	if got, err := sealed.Token(t.Context()); err != nil || got.Access.Reveal() != token {
		t.Errorf("what was there in the clear: %v", err)
	}
	if _, err := sealed.Renew(t.Context(), secret.New(token)); err != nil {
		t.Fatal(err)
	}
	raw, err := inner.Load(t.Context())
	if err != nil || bytes.Contains(raw, []byte("token")) {
		t.Errorf("got %q, %v", raw, err)
	}
	other, err := seal.NewKeyring(seal.Key{ID: "other", Secret: secret.New("another-fixture-of-enough-characters")})
	if err != nil {
		t.Fatal(err)
	}
	d.config.Store = atlassian.Sealed(inner, other)
	_, err = d.another().Token(t.Context())
	refused(t, "another key", err, keybearer.Internal, "opening the stored state")
}

// away is a store that cannot be reached.
type away struct{}

var errAway = errors.New("connection refused")

func (away) Load(context.Context) ([]byte, error)       { return nil, errAway }
func (away) Swap(context.Context, []byte, []byte) error { return errAway }

func TestStoreThatIsAwayIsUnavailable(t *testing.T) {
	d := atCloud(t, func(c *atlassian.Config) { c.Store = away{} })
	_, err := d.client.Token(t.Context())
	refused(t, "a token", err, keybearer.Unavailable, "reading what is stored")
	_, err = d.client.Start(t.Context())
	refused(t, "a sign-in", err, keybearer.Unavailable)
	_, err = d.client.Complete(t.Context(), "a-code")
	refused(t, "a code", err, keybearer.Unavailable)
	if !errors.Is(err, errAway) {
		t.Errorf("got %v, want the store's own error in it", err)
	}
}

package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/postgrestest"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

func rootKey(id string) config.RootKey {
	return config.RootKey{ID: id, Value: secret.New("the root key " + id + " of this test alone")}
}

func defaultKey(id string) config.RootKey {
	k := rootKey(id)
	k.Default = true
	return k
}

func withKeys(keys ...config.RootKey) *config.Config {
	return &config.Config{Security: config.Security{RootKeys: keys}}
}

func openDB(t testing.TB, cfg sqlstore.Config) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func onFile(t testing.TB) sqlstore.Config {
	return sqlstore.Config{Path: filepath.Join(t.TempDir(), "keybearer.sqlite3")}
}

func onPostgres(t testing.TB) sqlstore.Config {
	return sqlstore.Config{Postgres: secret.New(postgrestest.Database(t))}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func openKeyring(t *testing.T, cfg *config.Config, s engine.KeyStore) keybearer.Rotator {
	t.Helper()
	k, err := engine.OpenKeyring(t.Context(), cfg, s, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sealed gives a value under the default key of a ring.
func sealed(t *testing.T, s keybearer.Sealer) seal.Value {
	t.Helper()
	v, err := s.Seal([]byte("plain"), seal.Place("row"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wantOpen(t *testing.T, s keybearer.Sealer, v seal.Value) {
	t.Helper()
	if plain, err := s.Open(v, seal.Place("row")); err != nil || string(plain) != "plain" {
		t.Errorf("got %q, %v; want the value to open", plain, err)
	}
}

func wantKey(t *testing.T, v seal.Value, want string) {
	t.Helper()
	if id, err := v.KeyID(); err != nil || id != want {
		t.Errorf("sealed with %q, %v; want %q", id, err, want)
	}
}

func TestReplicasThatStartAtOnceAgreeOnOneDataKey(t *testing.T) { startAtOnce(t, onFile(t)) }

func TestPostgresReplicasThatStartAtOnceAgreeOnOneDataKey(t *testing.T) {
	startAtOnce(t, onPostgres(t))
}

func startAtOnce(t *testing.T, at sqlstore.Config) {
	db := openDB(t, at)
	const replicas = 8
	var (
		rings [replicas]keybearer.Rotator
		errs  [replicas]error
		work  sync.WaitGroup
	)
	for i := range replicas {
		work.Go(func() {
			rings[i], errs[i] = engine.OpenKeyring(t.Context(), withKeys(defaultKey("k1")), db, quiet(), time.Now)
		})
	}
	work.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	if keys, err := db.DataKeys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("got %d data keys, %v; want one", len(keys), err)
	}
	for _, from := range rings {
		for _, to := range rings {
			wantOpen(t, to, sealed(t, from))
		}
	}
}

func TestReplicaLearnsOfAKeyThatAnotherMade(t *testing.T) { learns(t, onFile(t)) }

func TestPostgresReplicaLearnsOfAKeyThatAnotherMade(t *testing.T) { learns(t, onPostgres(t)) }

func learns(t *testing.T, at sqlstore.Config) {
	db := openDB(t, at)
	a, b := openKeyring(t, withKeys(defaultKey("k1")), db), openKeyring(t, withKeys(defaultKey("k1")), db)
	before := sealed(t, b)
	wantKey(t, before, "data:1")
	made, err := a.Rotate(t.Context())
	if err != nil || made.ID != "data:2" || !made.Default || made.SealedWith != "k1" {
		t.Fatalf("rotating: got %+v, %v; want the default data:2, sealed with k1", made, err)
	}
	after := sealed(t, a)
	wantKey(t, after, "data:2")
	for _, v := range []seal.Value{before, after} {
		wantOpen(t, a, v)
		wantOpen(t, b, v)
	}
	wantKey(t, sealed(t, b), "data:2")
}

// A replica that was frozen must not seal with a key that the others have given up meanwhile.
func TestReplicaThatWasFrozenLooksForNewKeysBeforeItSeals(t *testing.T) {
	db := openDB(t, onFile(t))
	var slept atomic.Int64
	now := func() time.Time { return noon().Add(time.Duration(slept.Load())) }
	frozen, err := engine.OpenKeyring(t.Context(), withKeys(defaultKey("k1")), db, quiet(), now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openKeyring(t, withKeys(defaultKey("k1")), db).Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantKey(t, sealed(t, frozen), "data:1")
	slept.Store(int64(2 * time.Hour))
	wantKey(t, sealed(t, frozen), "data:2")
}

func TestRotationsAtOnceAreHarmless(t *testing.T) { rotateAtOnce(t, onFile(t)) }

func TestPostgresRotationsAtOnceAreHarmless(t *testing.T) { rotateAtOnce(t, onPostgres(t)) }

func rotateAtOnce(t *testing.T, at sqlstore.Config) {
	db := openDB(t, at)
	rings := []keybearer.Rotator{openKeyring(t, withKeys(defaultKey("k1")), db), openKeyring(t, withKeys(defaultKey("k1")), db)}
	var (
		work   sync.WaitGroup
		values [10]seal.Value
	)
	for i := range values {
		work.Go(func() {
			if _, err := rings[i%2].Rotate(t.Context()); err != nil {
				t.Error(err)
			}
			values[i] = sealed(t, rings[i%2])
		})
	}
	work.Wait()
	for _, ring := range append(rings, openKeyring(t, withKeys(defaultKey("k1")), db)) {
		for _, v := range values {
			wantOpen(t, ring, v)
		}
	}
}

// counting counts how often the data keys are read.
type counting struct {
	engine.KeyStore
	reads atomic.Int64
}

func (c *counting) DataKeys(ctx context.Context) ([]seal.DataKey, error) {
	c.reads.Add(1)
	return c.KeyStore.DataKeys(ctx)
}

func TestUnknownKeysDoNotHammerTheDatabase(t *testing.T) {
	store := &counting{KeyStore: openDB(t, onFile(t))}
	ring := openKeyring(t, withKeys(defaultKey("k1")), store)
	stranger, err := seal.NewKeyring(seal.Key{ID: "data:99", Secret: secret.New("a key that nobody has stored")})
	if err != nil {
		t.Fatal(err)
	}
	v, err := stranger.Seal([]byte("plain"), seal.Place("row"))
	if err != nil {
		t.Fatal(err)
	}
	store.reads.Store(0)
	var work sync.WaitGroup
	for range 100 {
		work.Go(func() {
			if _, err := ring.Open(v, seal.Place("row")); !errors.Is(err, seal.ErrUnknownKey) {
				t.Errorf("got %v, want ErrUnknownKey", err)
			}
		})
	}
	work.Wait()
	if got := store.reads.Load(); got > 2 {
		t.Errorf("100 values under an unknown key made it read the keys %d times, want twice at most", got)
	}
}

func TestNewDefaultRootKeySealsTheDataKeysAtOnce(t *testing.T) {
	db := openDB(t, onFile(t))
	ring := openKeyring(t, withKeys(defaultKey("k1")), db)
	first := sealed(t, ring)
	if _, err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := sealed(t, ring)
	openKeyring(t, withKeys(rootKey("k1"), defaultKey("k2")), db)
	ring = openKeyring(t, withKeys(defaultKey("k2")), db) // the former is not needed any more
	wantOpen(t, ring, first)
	wantOpen(t, ring, second)
	keys, err := ring.SealingKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		keys[i].CreatedAt = time.Time{}
	}
	want := []keybearer.SealingKey{
		{ID: "k2", Root: true, Default: true, Values: 2},
		{ID: "data:1", SealedWith: "k2"},
		{ID: "data:2", SealedWith: "k2", Default: true},
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}
}

// What is wrong with a root key is told by its id, and nothing is changed.
func TestWrongRootKeysAreToldByIDAndChangeNothing(t *testing.T) {
	file := onFile(t)
	db := openDB(t, file)
	ring := openKeyring(t, withKeys(defaultKey("k1")), db)
	openKeyring(t, withKeys(rootKey("k1"), defaultKey("k2")), db)
	if _, err := ring.Rotate(t.Context()); err != nil { // by a replica that has not heard of k2
		t.Fatal(err)
	}
	before, err := db.DataKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wrong := defaultKey("k1")
	wrong.Value = secret.New("another text under the id k1")
	for name, c := range map[string]struct {
		keys []config.RootKey
		says string
	}{
		"the older one is missing": {[]config.RootKey{defaultKey("k2")}, `root key "k1" is missing`},
		"the newer one is missing": {[]config.RootKey{defaultKey("k1")}, `root key "k2" is missing`},
		"one is another":           {[]config.RootKey{wrong, rootKey("k2")}, `root key "k1" is not the one`},
		"a third is the default":   {[]config.RootKey{defaultKey("k3")}, "is missing"},
		"there is none":            {nil, "sealed with keys from a configuration"},
	} {
		cfg := withKeys(c.keys...)
		cfg.DataDir = t.TempDir()
		_, err := engine.OpenKeyring(t.Context(), cfg, db, quiet(), time.Now)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "nothing was changed") || strings.Contains(err.Error(), "another text") {
			t.Errorf("%s: got %v, want it to say %s", name, err, c.says)
		}
		if _, err := os.Stat(filepath.Join(cfg.DataDir, "root.key")); err == nil {
			t.Errorf("%s: a root key was made", name)
		}
	}
	after, err := db.DataKeys(t.Context())
	if diff := cmp.Diff(before, after); err != nil || diff != "" {
		t.Errorf("the data keys were changed: %v\n%s", err, diff)
	}
	openKeyring(t, withKeys(rootKey("k1"), defaultKey("k2")), db)
}

func TestDamagedDataKeyIsTold(t *testing.T) {
	file := onFile(t)
	db := openDB(t, file)
	openKeyring(t, withKeys(defaultKey("k1")), db)
	execute(t, file.Path, "UPDATE data_keys SET sealed_key = x'00'")
	_, err := engine.OpenKeyring(t.Context(), withKeys(defaultKey("k1")), db, quiet(), time.Now)
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v, want it to say that a key is damaged", err)
	}
}

// execute changes a database behind the engine's back.
func execute(t *testing.T, path, text string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatal(err)
	}
}

// Replicas that have no root key in their configuration would each make one of their own.
func TestSecondReplicaDoesNotMakeARootKeyOfItsOwn(t *testing.T) { twoGenerated(t, onFile(t)) }

func TestPostgresSecondReplicaDoesNotMakeARootKeyOfItsOwn(t *testing.T) {
	twoGenerated(t, onPostgres(t))
}

func twoGenerated(t *testing.T, at sqlstore.Config) {
	db := openDB(t, at)
	replica := func() *config.Config {
		return &config.Config{DataDir: t.TempDir(), Storage: config.Storage{Postgres: &config.Postgres{}}}
	}
	const replicas = 6
	var (
		configs [replicas]*config.Config
		errs    [replicas]error
		work    sync.WaitGroup
	)
	for i := range replicas {
		configs[i] = replica()
		work.Go(func() { _, errs[i] = engine.OpenKeyring(t.Context(), configs[i], db, quiet(), time.Now) })
	}
	work.Wait()
	winners := 0
	for i, err := range errs {
		_, missing := os.Stat(filepath.Join(configs[i].DataDir, "root.key"))
		switch {
		case err == nil:
			winners++
			if missing != nil {
				t.Errorf("the winner has no file: %v", missing)
			}
			openKeyring(t, configs[i], db) // and starts again
		case !strings.Contains(err.Error(), "into security.root_keys, in the configuration of all replicas"):
			t.Errorf("got %v, want the advice to configure root keys", err)
		case missing == nil:
			t.Error("a replica that was refused left a root key behind")
		}
	}
	if winners != 1 {
		t.Errorf("%d replicas have made root keys, want one", winners)
	}

	late := replica()
	if err := os.WriteFile(filepath.Join(late.DataDir, "root.key"), []byte("a key from another database"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := engine.OpenKeyring(t.Context(), late, db, quiet(), time.Now)
	if err == nil || !strings.Contains(err.Error(), "in the configuration of all replicas") {
		t.Errorf("a replica with another key: got %v, want the advice to configure root keys", err)
	}
	if _, err := os.Stat(filepath.Join(late.DataDir, "root.key")); err != nil {
		t.Errorf("its file is gone: %v", err)
	}
}

// Its file may be named in the configuration instead.
func TestGeneratedKeyMovesIntoTheConfiguration(t *testing.T) {
	db := openDB(t, onFile(t))
	own := &config.Config{DataDir: t.TempDir()}
	v := sealed(t, openKeyring(t, own, db))
	moved := config.RootKey{ID: "generated", Default: true, File: filepath.Join(own.DataDir, "root.key")}
	wantOpen(t, openKeyring(t, withKeys(moved), db), v)
}

func TestKeysOfABackupAreOpenedAndNotMade(t *testing.T) {
	db := openDB(t, onFile(t))
	if _, err := engine.OpenKeys(t.Context(), withKeys(defaultKey("k1")), db); err == nil {
		t.Error("a database without keys has given some")
	}
	if keys, err := db.DataKeys(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("got %v, %v; want no data key to be made", keys, err)
	}
	v := sealed(t, openKeyring(t, withKeys(defaultKey("k1")), db))
	opener, err := engine.OpenKeys(t.Context(), withKeys(rootKey("k1"), defaultKey("k2")), db)
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, opener, v)
	keys, err := db.DataKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantKey(t, keys[0].Sealed, "k1") // as it was
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask may have taken from it
		t.Fatal(err)
	}
}

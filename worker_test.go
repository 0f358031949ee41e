package keybearer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

func number(n int) *int { return &n }

func TestWorkersAreRegisteredChangedAndForgotten(t *testing.T) {
	h := open(t, change{})
	w, err := h.admin.CreateWorker(t.Context(), keybearer.WorkerDraft{ID: "tools", URI: "https://tools.example.com", Secret: secret.New("what both know")})
	if err != nil {
		t.Fatal(err)
	}
	if w.Type != keybearer.WorkerHTTP || !w.Enabled || w.Timeout != 30*time.Second || w.Retry != 3 || w.Origin != keybearer.FromAPI || w.Version != 1 || len(w.Secret) == 0 {
		t.Errorf("got %+v, want the defaults", w)
	}
	_, err = h.admin.CreateWorker(t.Context(), keybearer.WorkerDraft{ID: "tools", URI: "https://tools.example.com", Secret: secret.New("what both know")})
	wantKind(t, err, keybearer.Conflict)

	off := false
	w, err = h.admin.UpdateWorker(t.Context(), "tools", func(d *keybearer.WorkerDraft) error {
		if !d.HasSecret || d.Secret.Reveal() != "" {
			t.Error("an edit is not told that there is a secret, or is told which")
		}
		d.Enabled, d.Retry = &off, number(0)
		return nil
	})
	if err != nil || w.Enabled || w.Retry != 0 || w.Version != 2 {
		t.Errorf("got %+v, %v", w, err)
	}
	if got, err := h.broker.WorkerSecrets(&w); err != nil || got.Shared.Reveal() != "what both know" {
		t.Errorf("the secret was not kept: %v", err)
	}
	if list, err := h.admin.Workers(t.Context()); err != nil || len(list) != 1 || list[0].ID != "tools" {
		t.Errorf("got %+v, %v", list, err)
	}
	if err := h.admin.DeleteWorker(t.Context(), "tools"); err != nil {
		t.Fatal(err)
	}
	_, err = h.admin.Worker(t.Context(), "tools")
	wantKind(t, err, keybearer.NotFound)
	wantKind(t, h.admin.DeleteWorker(t.Context(), "tools"), keybearer.NotFound)
	for _, action := range []string{keybearer.ActionWorkerPut, keybearer.ActionWorkerDelete} {
		if !h.audit.has(action, "ok") {
			t.Errorf("the audit does not tell of %s", action)
		}
	}
}

func TestNamedSecretsOfAWorkerAreKeptReplacedAndDropped(t *testing.T) {
	h := open(t, change{})
	draft := keybearer.WorkerDraft{
		ID: "mcp", Type: keybearer.WorkerMCP, URI: "https://tools.example.com/mcp", Headers: map[string]string{"X-Key": "${secret:A}/${secret:B}"},
		Secrets: map[string]secret.String{"A": secret.New("value a"), "B": secret.New("value b"), "C": secret.New("value c")},
	}
	if _, err := h.admin.CreateWorker(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	w, err := h.admin.UpdateWorker(t.Context(), "mcp", func(d *keybearer.WorkerDraft) error {
		d.Secrets["B"] = secret.New("another b")
		delete(d.Secrets, "C")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"A", "B"}, w.SecretNames); diff != "" {
		t.Error(diff)
	}
	got, err := h.broker.WorkerSecrets(&w)
	if err != nil || got.Expand(w.Headers["X-Key"]).Reveal() != "value a/another b" {
		t.Errorf("got %v, want the header with both secrets", err)
	}
	_, err = h.admin.UpdateWorker(t.Context(), "mcp", func(d *keybearer.WorkerDraft) error {
		delete(d.Secrets, "A")
		return nil
	})
	wantKind(t, err, keybearer.BadRequest)
	other := w
	other.ID = "another"
	if _, err := h.broker.WorkerSecrets(&other); err == nil {
		t.Error("the secrets open in the row of another worker")
	}
}

func TestWorkersThatAreRefused(t *testing.T) {
	h := open(t, change{})
	fine := keybearer.WorkerDraft{ID: "tools", URI: "https://tools.example.com", Secret: secret.New("what both know")}
	for name, edit := range map[string]func(*keybearer.WorkerDraft){
		"no id":      func(d *keybearer.WorkerDraft) { d.ID = "" },
		"id":         func(d *keybearer.WorkerDraft) { d.ID = "a/b" },
		"type":       func(d *keybearer.WorkerDraft) { d.Type = "grpc" },
		"no uri":     func(d *keybearer.WorkerDraft) { d.URI = "" },
		"scheme":     func(d *keybearer.WorkerDraft) { d.URI = "file:///etc/passwd" },
		"plain http": func(d *keybearer.WorkerDraft) { d.URI = "http://tools.example.com" },
		"user info":  func(d *keybearer.WorkerDraft) { d.URI = "https://a:b@tools.example.com" },
		"no secret":  func(d *keybearer.WorkerDraft) { d.Secret = secret.String{} },
		"retry":      func(d *keybearer.WorkerDraft) { d.Retry = number(11) },
		"timeout":    func(d *keybearer.WorkerDraft) { d.Timeout = time.Hour },
		"a command":  func(d *keybearer.WorkerDraft) { d.Type, d.URI, d.Command = keybearer.WorkerMCP, "", []string{"sh"} },
		"headers":    func(d *keybearer.WorkerDraft) { d.Headers = map[string]string{"A": "b"} },
		"a header's end": func(d *keybearer.WorkerDraft) {
			d.Type, d.Headers = keybearer.WorkerMCP, map[string]string{"A": "b\r\nC: d"}
		},
		"the host": func(d *keybearer.WorkerDraft) {
			d.Type, d.Headers = keybearer.WorkerMCP, map[string]string{"Host": "b"}
		},
		"no such secret": func(d *keybearer.WorkerDraft) {
			d.Type, d.Headers = keybearer.WorkerMCP, map[string]string{"A": "${secret:B}"}
		},
		"a secret's name":    func(d *keybearer.WorkerDraft) { d.Secrets = map[string]secret.String{"a b": secret.New("x")} },
		"a secret too large": func(d *keybearer.WorkerDraft) { d.Secret = secret.New(strings.Repeat("x", 5001)) },
	} {
		d := fine
		edit(&d)
		if _, err := h.admin.CreateWorker(t.Context(), d); !errors.Is(err, keybearer.BadRequest) {
			t.Errorf("%s: got %v, want bad_request", name, err)
		}
	}
	if _, err := h.admin.CreateWorker(t.Context(), fine); err != nil {
		t.Error(err)
	}
	for name, call := range map[string]func(*keybearer.View) error{
		"list":    func(v *keybearer.View) error { _, err := v.Workers(t.Context()); return err },
		"get":     func(v *keybearer.View) error { _, err := v.Worker(t.Context(), "tools"); return err },
		"create":  func(v *keybearer.View) error { _, err := v.CreateWorker(t.Context(), fine); return err },
		"draft":   func(v *keybearer.View) error { _, err := v.DraftWorker(fine); return err },
		"update":  func(v *keybearer.View) error { _, err := v.UpdateWorker(t.Context(), "tools", nil); return err },
		"delete":  func(v *keybearer.View) error { return v.DeleteWorker(t.Context(), "tools") },
		"secrets": func(v *keybearer.View) error { _, err := v.ToolSecrets(t.Context()); return err },
		"put": func(v *keybearer.View) error {
			_, err := v.PutToolSecret(t.Context(), "A", secret.New("b"), "")
			return err
		},
		"remove": func(v *keybearer.View) error { return v.DeleteToolSecret(t.Context(), "sec_1") },
	} {
		if err := call(h.app); !errors.Is(err, keybearer.PermissionDenied) {
			t.Errorf("%s: got %v for an app, want permission_denied", name, err)
		}
	}
}

// The file's workers win over stored ones, and are changed in the file.
func TestWorkersOfTheFile(t *testing.T) {
	file := func(c *keybearer.Config) {
		c.StaticWorkers = []keybearer.Worker{{ID: "tools", Enabled: true, URI: "http://tools.internal:8002"}}
	}
	h := open(t, change{config: file})
	w, err := h.admin.Worker(t.Context(), "tools")
	if err != nil || w.Origin != keybearer.FromFile || w.Type != keybearer.WorkerHTTP || w.Timeout != 30*time.Second {
		t.Errorf("got %+v, %v, want it with the defaults", w, err)
	}
	_, err = h.admin.CreateWorker(t.Context(), keybearer.WorkerDraft{ID: "tools", URI: "https://tools.example.com", Secret: secret.New("what both know")})
	wantKind(t, err, keybearer.Conflict)
	_, err = h.admin.UpdateWorker(t.Context(), "tools", func(*keybearer.WorkerDraft) error { return nil })
	wantKind(t, err, keybearer.BadRequest)
	wantKind(t, h.admin.DeleteWorker(t.Context(), "tools"), keybearer.BadRequest)
	for name, workers := range map[string][]keybearer.Worker{
		"twice": {{ID: "a", URI: "http://a"}, {ID: "a", URI: "http://b"}},
		"wrong": {{ID: "a", URI: "a"}},
	} {
		if _, err := keybearer.New(keybearer.Config{PublicURL: publicURL, StaticWorkers: workers}); !errors.Is(err, keybearer.BadRequest) {
			t.Errorf("%s: got %v, want bad_request", name, err)
		}
	}
}

func TestSecretsForToolsAreReplacedByKeyAndDeletedByID(t *testing.T) {
	h := open(t, change{})
	first, err := h.admin.PutToolSecret(t.Context(), "HOOK", secret.New("one"), "where it goes")
	if err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(time.Hour)
	second, err := h.admin.PutToolSecret(t.Context(), "hook", secret.New("two"), "")
	if err != nil || second.ID != first.ID || second.Key != "HOOK" || second.Version != 2 || !second.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("got %+v, %v, want the same secret with another value", second, err)
	}
	loan, err := h.app.Lend(t.Context(), keybearer.LoanRequest{Tool: "A.B", Secrets: []string{"Hook"}})
	if err != nil || loan.Secrets["Hook"].Reveal() != "two" || loan.Token != nil {
		t.Errorf("got %+v, %v, want the new value", loan, err)
	}
	for key, value := range map[string]string{"": "x", "a b": "x", "A": "", "B": strings.Repeat("x", 5001)} {
		if _, err := h.admin.PutToolSecret(t.Context(), key, secret.New(value), ""); !errors.Is(err, keybearer.BadRequest) {
			t.Errorf("%q: got %v, want bad_request", key, err)
		}
	}
	if err := h.admin.DeleteToolSecret(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	wantKind(t, h.admin.DeleteToolSecret(t.Context(), first.ID), keybearer.NotFound)
	_, err = h.app.Lend(t.Context(), keybearer.LoanRequest{Tool: "A.B", Secrets: []string{"HOOK", "OTHER"}})
	missing, ok := errors.AsType[*keybearer.MissingSecrets](err)
	if !ok || !errors.Is(err, keybearer.NotFound) {
		t.Fatalf("got %v, want that secrets are missing", err)
	}
	if diff := cmp.Diff([]string{"HOOK", "OTHER"}, missing.Keys); diff != "" {
		t.Error(diff)
	}
}

// Whoever can write to the store cannot have a tool given another one's secret.
func TestValueOfASecretIsBoundToItsRow(t *testing.T) {
	memory := keybearer.NewMemory()
	h := open(t, change{config: func(c *keybearer.Config) { c.ToolSecrets = memory }})
	for _, key := range []string{"A", "B"} {
		if _, err := h.admin.PutToolSecret(t.Context(), key, secret.New("value of "+key), ""); err != nil {
			t.Fatal(err)
		}
	}
	all, err := memory.ToolSecrets(t.Context(), keybearer.DefaultProject)
	if err != nil {
		t.Fatal(err)
	}
	all[0].Value = all[1].Value
	if _, err := memory.PutToolSecret(t.Context(), all[0], all[0].Version); err != nil {
		t.Fatal(err)
	}
	h.broker.Forget()
	if loan, err := h.app.Lend(t.Context(), keybearer.LoanRequest{Tool: "X.Y", Secrets: []string{"A"}}); err == nil {
		t.Errorf("got %q, want it not to open", loan.Secrets["A"].Reveal())
	}
}

// When a secret was last used is written down once in a while, not with each call.
func TestUseOfASecretIsWrittenDownNowAndThen(t *testing.T) {
	memory := keybearer.NewMemory()
	store := &touches{ToolSecretStore: memory}
	h := open(t, change{config: func(c *keybearer.Config) { c.ToolSecrets = store }})
	if _, err := h.admin.PutToolSecret(t.Context(), "HOOK", secret.New("one"), ""); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		h.clock.Advance(4 * time.Second)
		if _, err := h.app.Lend(t.Context(), keybearer.LoanRequest{Tool: "A.B", Secrets: []string{"HOOK"}}); err != nil {
			t.Fatal(err)
		}
	}
	if store.n != 2 {
		t.Errorf("got %d writes in 400 seconds, want 2", store.n)
	}
}

func TestSealedToolValuesAreSealedAnew(t *testing.T) {
	memory := keybearer.NewMemory()
	older, newer := ringOf(t, "old"), ringOf(t, "old", "new")
	h := open(t, change{config: func(c *keybearer.Config) { c.Sealer, c.Workers, c.ToolSecrets, c.Runs = older, memory, memory, memory }})
	if _, err := h.admin.CreateWorker(t.Context(), keybearer.WorkerDraft{ID: "tools", URI: "https://tools.example.com", Secret: secret.New("what both know")}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.admin.PutToolSecret(t.Context(), "HOOK", secret.New("one"), ""); err != nil {
		t.Fatal(err)
	}
	run, err := h.app.ScheduleRun(t.Context(), keybearer.Run{User: alice, Toolkit: "A", Tool: "B", RunAt: h.clock.Now()}, keybearer.RunContent{NextURI: "https://app.example.com/"})
	if err != nil {
		t.Fatal(err)
	}
	later := open(t, change{config: func(c *keybearer.Config) { c.Sealer, c.Workers, c.ToolSecrets, c.Runs = newer, memory, memory, memory }})
	done, left, err := later.broker.Reseal(t.Context(), keybearer.DefaultProject, "new")
	if err != nil || done != 3 || left != 0 {
		t.Errorf("got %d sealed anew and %d left, %v, want 3", done, left, err)
	}
	counts, err := later.broker.SealedBy(t.Context(), keybearer.DefaultProject)
	if err != nil || counts["old"] != 0 {
		t.Errorf("got %v, %v, want none under the old key", counts, err)
	}
	if _, content, err := later.app.Run(t.Context(), run.ID); err != nil || content.NextURI == "" {
		t.Errorf("got %+v, %v, want the content of the run", content, err)
	}
	if loan, err := later.app.Lend(t.Context(), keybearer.LoanRequest{Secrets: []string{"HOOK"}}); err != nil || loan.Secrets["HOOK"].Reveal() != "one" {
		t.Errorf("got %v, want the secret", err)
	}
}

// touches counts how often it is written down that secrets were used.
type touches struct {
	keybearer.ToolSecretStore
	n int
}

func (s *touches) TouchToolSecrets(ctx context.Context, project keybearer.ProjectID, ids []string, at time.Time) error {
	s.n++
	return s.ToolSecretStore.TouchToolSecrets(ctx, project, ids, at)
}

// ringOf is a ring of keys of which the last one seals.
func ringOf(t *testing.T, ids ...string) *seal.Keyring {
	t.Helper()
	var keys []seal.Key
	for i, id := range ids {
		keys = append(keys, seal.Key{ID: id, Default: i == len(ids)-1, Secret: secret.New("the " + id + " key of this test")})
	}
	ring, err := seal.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

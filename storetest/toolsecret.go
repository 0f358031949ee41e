package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

func toolSecret(n int) keybearer.ToolSecret {
	return keybearer.ToolSecret{
		Project: project, ID: fmt.Sprintf("sec_%02d", n), Key: fmt.Sprintf("HOOK_%02d", n), Description: "where “it” goes",
		Value: []byte{1, 2, 255}, CreatedAt: at(0), UpdatedAt: at(1), AccessedAt: at(2),
	}
}

func keptSecret(s keybearer.ToolSecret, version int64) keybearer.ToolSecret {
	s.CreatedAt, s.UpdatedAt, s.Version = kept(s.CreatedAt), kept(s.UpdatedAt), version
	if !s.AccessedAt.IsZero() {
		s.AccessedAt = kept(s.AccessedAt)
	}
	return s
}

func toolSecretExam() []question {
	return []question{
		{"RoundTrip", secretRoundTrip},
		{"Versions", secretVersions},
		{"SameNameRace", secretSameNameRace},
		{"Touch", secretTouch},
		{"Delete", secretDelete},
	}
}

func toolSecrets(t *testing.T, s Stores, in keybearer.ProjectID) []keybearer.ToolSecret {
	t.Helper()
	return must[[]keybearer.ToolSecret](t)(s.ToolSecrets.ToolSecrets(t.Context(), in))
}

func secretRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	put := must[keybearer.ToolSecret](t)
	first := toolSecret(2)
	stored := put(s.ToolSecrets.PutToolSecret(ctx, first, 0))
	same(t, "PutToolSecret", stored, keptSecret(toolSecret(2), 1))
	first.Value[0], stored.Value[0] = 'X', 'X'
	bare := keybearer.ToolSecret{Project: project, ID: "sec_0", Key: "a", Value: []byte{1}, CreatedAt: at(0), UpdatedAt: at(0)}
	put(s.ToolSecrets.PutToolSecret(ctx, bare, 0))
	other := toolSecret(2)
	other.Project = "other"
	put(s.ToolSecrets.PutToolSecret(ctx, other, 0))
	for range 2 {
		got := toolSecrets(t, s, project)
		same(t, "ToolSecrets, by key", got, []keybearer.ToolSecret{keptSecret(toolSecret(2), 1), keptSecret(bare, 1)})
		got[0].Value[0] = 'X'
	}
	same(t, "ToolSecrets of another project", toolSecrets(t, s, "other"), []keybearer.ToolSecret{keptSecret(other, 1)})
}

func secretVersions(t *testing.T, s Stores) {
	ctx := t.Context()
	_, err := s.ToolSecrets.PutToolSecret(ctx, toolSecret(1), 1)
	wantKind(t, "writing over a row that is not there", err, keybearer.Conflict)
	must[keybearer.ToolSecret](t)(s.ToolSecrets.PutToolSecret(ctx, toolSecret(1), 0))
	_, err = s.ToolSecrets.PutToolSecret(ctx, toolSecret(1), 0)
	wantKind(t, "creating twice", err, keybearer.Conflict)
	changed := toolSecret(1)
	changed.Value, changed.Description, changed.AccessedAt = []byte{7}, "", time.Time{}
	got := must[keybearer.ToolSecret](t)(s.ToolSecrets.PutToolSecret(ctx, changed, 1))
	changed.AccessedAt = toolSecret(1).AccessedAt // a later one stays
	same(t, "the second version", got, keptSecret(changed, 2))
	_, err = s.ToolSecrets.PutToolSecret(ctx, changed, 1)
	wantKind(t, "writing over an old version", err, keybearer.Conflict)
}

// Two secrets of one name would let the one be replaced and the other go on being lent.
func secretSameNameRace(t *testing.T, s Stores) {
	oneWins(t, race(rivals, func(i int) error {
		one := toolSecret(i)
		one.Key = []string{"HOOK", "hook"}[i/2%2]
		_, err := s.of(i).ToolSecrets.PutToolSecret(t.Context(), one, 0)
		return err
	}), keybearer.Conflict)
	if got := toolSecrets(t, s, project); len(got) != 1 {
		t.Errorf("got %d secrets, want 1", len(got))
	}
}

func secretTouch(t *testing.T, s Stores) {
	ctx := t.Context()
	must[keybearer.ToolSecret](t)(s.ToolSecrets.PutToolSecret(ctx, toolSecret(1), 0))
	must[keybearer.ToolSecret](t)(s.ToolSecrets.PutToolSecret(ctx, toolSecret(2), 0))
	for _, second := range []int{9, 5} { // never backwards
		ok(t, s.ToolSecrets.TouchToolSecrets(ctx, project, []string{toolSecret(1).ID, "gone"}, at(second)))
	}
	touched := toolSecret(1)
	touched.AccessedAt = at(9)
	same(t, "ToolSecrets", toolSecrets(t, s, project), []keybearer.ToolSecret{keptSecret(touched, 1), keptSecret(toolSecret(2), 1)})
}

func secretDelete(t *testing.T, s Stores) {
	ctx := t.Context()
	must[keybearer.ToolSecret](t)(s.ToolSecrets.PutToolSecret(ctx, toolSecret(1), 0))
	wantKind(t, "DeleteToolSecret in another project", s.ToolSecrets.DeleteToolSecret(ctx, "other", toolSecret(1).ID), keybearer.NotFound)
	ok(t, s.ToolSecrets.DeleteToolSecret(ctx, project, toolSecret(1).ID))
	wantKind(t, "DeleteToolSecret again", s.ToolSecrets.DeleteToolSecret(ctx, project, toolSecret(1).ID), keybearer.NotFound)
	if got := toolSecrets(t, s, project); len(got) != 0 {
		t.Errorf("got %d secrets, want 0", len(got))
	}
}

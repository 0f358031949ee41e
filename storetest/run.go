package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
)

func run(n int) keybearer.Run {
	return keybearer.Run{
		Project: project, ID: keybearer.RunID(fmt.Sprintf("te_%02d", n)), User: "alice@example.com",
		Caller:  keybearer.Caller{Project: project, Name: "key:ci", Admin: true, Providers: []keybearer.ProviderID{"hooli"}, Users: "*@example.com"},
		Toolkit: "Hooli", Tool: "Search", ToolVersion: "1.0.0", State: keybearer.RunRunning, Content: []byte{1, 2, 255},
		Attempts: []keybearer.RunAttempt{
			{ID: "at_1", StartedAt: at(2), FinishedAt: at(3), Problem: "the worker “is” away"},
			{ID: "at_2", StartedAt: at(4), Sent: true, Success: true},
		},
		RunAt: at(1), DueAt: at(n), StartedAt: at(2), FinishedAt: at(5), CreatedAt: at(n), UpdatedAt: at(6),
	}
}

func keptRun(r keybearer.Run, version int64) keybearer.Run {
	for _, t := range []*time.Time{&r.RunAt, &r.DueAt, &r.StartedAt, &r.FinishedAt, &r.CreatedAt, &r.UpdatedAt} {
		if !t.IsZero() {
			*t = kept(*t)
		}
	}
	attempts := r.Attempts
	r.Attempts = nil
	for _, a := range attempts {
		a.StartedAt = kept(a.StartedAt)
		if !a.FinishedAt.IsZero() {
			a.FinishedAt = kept(a.FinishedAt)
		}
		r.Attempts = append(r.Attempts, a)
	}
	r.Version = version
	return r
}

func runExam() []question {
	return []question{
		{"RoundTrip", runRoundTrip},
		{"Versions", runVersions},
		{"NotAliased", runNotAliased},
		{"SwapRace", runSwapRace},
		{"Pages", runPages},
		{"Due", runDue},
		{"Keys", runKeysAsked},
	}
}

func runRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	_, err := s.Runs.Run(ctx, project, run(1).ID)
	wantKind(t, "Run", err, keybearer.NotFound)
	bare := keybearer.Run{Project: project, ID: "te_bare", Caller: keybearer.Caller{Project: project}, CreatedAt: at(0)}
	for _, r := range []keybearer.Run{run(1), bare} {
		same(t, "PutRun", must[keybearer.Run](t)(s.Runs.PutRun(ctx, r, 0)), keptRun(r, 1))
		same(t, "Run", must[keybearer.Run](t)(s.Runs.Run(ctx, project, r.ID)), keptRun(r, 1))
	}
	_, err = s.Runs.Run(ctx, "other", run(1).ID)
	wantKind(t, "Run in another project", err, keybearer.NotFound)
}

func runVersions(t *testing.T, s Stores) {
	ctx := t.Context()
	_, err := s.Runs.PutRun(ctx, run(1), 1)
	wantKind(t, "writing over a row that is not there", err, keybearer.Conflict)
	must[keybearer.Run](t)(s.Runs.PutRun(ctx, run(1), 0))
	_, err = s.Runs.PutRun(ctx, run(1), 0)
	wantKind(t, "creating twice", err, keybearer.Conflict)
	over := run(1)
	over.State, over.Attempts, over.DueAt, over.Version = keybearer.RunFailed, nil, time.Time{}, 77
	same(t, "the second version", must[keybearer.Run](t)(s.Runs.PutRun(ctx, over, 1)), keptRun(over, 2))
	same(t, "Run", must[keybearer.Run](t)(s.Runs.Run(ctx, project, over.ID)), keptRun(over, 2))
	_, err = s.Runs.PutRun(ctx, over, 1)
	wantKind(t, "writing over an old version", err, keybearer.Conflict)
}

func runNotAliased(t *testing.T, s Stores) {
	spoil := func(r keybearer.Run) {
		r.Content[0], r.Attempts[0].Problem, r.Caller.Providers[0] = 'X', "spoilt", "spoilt"
	}
	r := run(1)
	put := must[keybearer.Run](t)(s.Runs.PutRun(t.Context(), r, 0))
	spoil(r)
	spoil(put)
	for range 2 {
		got := must[keybearer.Run](t)(s.Runs.Run(t.Context(), project, r.ID))
		same(t, "Run", got, keptRun(run(1), 1))
		spoil(got)
		due := must[[]keybearer.Run](t)(s.Runs.DueRuns(t.Context(), project, at(60), 10))
		same(t, "DueRuns", due, []keybearer.Run{keptRun(run(1), 1)})
		spoil(due[0])
	}
}

// Of those who would move a run one does: that is what keeps a tool from running twice.
func runSwapRace(t *testing.T, s Stores) {
	for version := range int64(3) {
		oneWins(t, race(rivals, func(i int) error {
			r := run(1)
			r.Tool = fmt.Sprint(i)
			_, err := s.of(i).Runs.PutRun(t.Context(), r, version)
			return err
		}), keybearer.Conflict)
	}
	if got := must[keybearer.Run](t)(s.Runs.Run(t.Context(), project, run(1).ID)); got.Version != 3 {
		t.Errorf("got version %d, want 3", got.Version)
	}
}

func runPages(t *testing.T, s Stores) {
	ctx := t.Context()
	for n := range 5 {
		r := run(n)
		if n == 3 {
			r.Caller.Name = "key:other"
		}
		must[keybearer.Run](t)(s.Runs.PutRun(ctx, r, 0))
	}
	other := run(9)
	other.Project = "other"
	must[keybearer.Run](t)(s.Runs.PutRun(ctx, other, 0))
	for _, c := range []struct {
		filter keybearer.RunFilter
		want   []int
		total  int
	}{
		{keybearer.RunFilter{Project: project}, []int{4, 3, 2, 1, 0}, 5},
		{keybearer.RunFilter{Project: project, Limit: 2, Offset: 1}, []int{3, 2}, 5},
		{keybearer.RunFilter{Project: project, Caller: "key:ci", Limit: 2}, []int{4, 2}, 4},
		{keybearer.RunFilter{Project: project, Offset: 5}, nil, 5},
	} {
		page, total, err := s.Runs.Runs(ctx, c.filter)
		ok(t, err)
		var got []int
		for _, r := range page {
			var n int
			_, err := fmt.Sscanf(string(r.ID), "te_%d", &n)
			ok(t, err)
			got = append(got, n)
			if len(r.Content) > 0 {
				t.Errorf("got the content of %s in a list, want none", r.ID)
			}
		}
		same(t, fmt.Sprintf("Runs %+v", c.filter), got, c.want)
		if total != c.total {
			t.Errorf("Runs %+v: got a total of %d, want %d", c.filter, total, c.total)
		}
	}
}

func runDue(t *testing.T, s Stores) {
	ctx := t.Context()
	for _, n := range []int{3, 1, 2, 7} {
		must[keybearer.Run](t)(s.Runs.PutRun(ctx, run(n), 0))
	}
	over := run(0)
	over.DueAt = time.Time{}
	must[keybearer.Run](t)(s.Runs.PutRun(ctx, over, 0))
	due := func(limit int) (ids []keybearer.RunID) {
		for _, r := range must[[]keybearer.Run](t)(s.Runs.DueRuns(ctx, project, at(3), limit)) {
			ids = append(ids, r.ID)
		}
		return ids
	}
	same(t, "DueRuns", due(10), []keybearer.RunID{run(1).ID, run(2).ID, run(3).ID})
	same(t, "DueRuns up to the limit", due(2), []keybearer.RunID{run(1).ID, run(2).ID})
	same(t, "DueRuns up to none", due(0), nil)
	if got := must[[]keybearer.Run](t)(s.Runs.DueRuns(ctx, "other", at(60), 10)); len(got) != 0 {
		t.Errorf("got %d runs of another project, want 0", len(got))
	}
}

func runKeysAsked(t *testing.T, s Stores) {
	ctx := t.Context()
	put := func(n int, content seal.Value) keybearer.RunID {
		r := run(n)
		r.Content = content
		must[keybearer.Run](t)(s.Runs.PutRun(ctx, r, 0))
		return r.ID
	}
	want := []keybearer.RunKey{
		{Run: put(1, append(seal.Head("d1"), hash(1)...)), Key: "d1"},
		{Run: put(2, append(seal.Head("d10"), hash(2)...)), Key: "d10"},
		{Run: put(4, seal.Value("broken"))},
	}
	put(3, nil)
	same(t, "RunKeys", must[[]keybearer.RunKey](t)(s.Runs.RunKeys(ctx, project, "", 100)), want)
	same(t, "the first page", must[[]keybearer.RunKey](t)(s.Runs.RunKeys(ctx, project, "", 2)), want[:2])
	same(t, "the second page", must[[]keybearer.RunKey](t)(s.Runs.RunKeys(ctx, project, want[1].Run, 2)), want[2:])
}

package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

func worker(n int) keybearer.Worker {
	return keybearer.Worker{
		Project: project, ID: keybearer.WorkerID(fmt.Sprintf("tools-%02d", n)), Type: keybearer.WorkerMCP, Enabled: true, Origin: keybearer.FromAPI,
		URI: "https://tools.example.com/mcp?a=<&>", Timeout: 1500 * time.Millisecond, Retry: 2,
		Headers: map[string]string{"Authorization": "Bearer ${secret:TOKEN}"}, Command: []string{"serve", "--a “b”"}, Env: map[string]string{"A": "b=c"},
		Secret: []byte{1, 2, 255}, SecretNames: []string{"TOKEN"}, CreatedAt: at(0), UpdatedAt: at(1),
	}
}

func keptWorker(w keybearer.Worker, version int64) keybearer.Worker {
	w.CreatedAt, w.UpdatedAt, w.Version = kept(w.CreatedAt), kept(w.UpdatedAt), version
	return w
}

func workerExam() []question {
	return []question{
		{"RoundTrip", workerRoundTrip},
		{"Versions", workerVersions},
		{"NotAliased", workerNotAliased},
		{"SwapRace", workerSwapRace},
		{"Delete", workerDelete},
	}
}

func workers(t *testing.T, s Stores, in keybearer.ProjectID) []keybearer.Worker {
	t.Helper()
	return must[[]keybearer.Worker](t)(s.Workers.Workers(t.Context(), in))
}

func workerRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	if got := workers(t, s, project); len(got) != 0 {
		t.Errorf("got %d workers of an empty store, want 0", len(got))
	}
	put := must[keybearer.Worker](t)
	same(t, "PutWorker", put(s.Workers.PutWorker(ctx, worker(2), 0)), keptWorker(worker(2), 1))
	bare := keybearer.Worker{Project: project, ID: "bare", CreatedAt: at(0), UpdatedAt: at(0)}
	same(t, "PutWorker", put(s.Workers.PutWorker(ctx, bare, 0)), keptWorker(bare, 1))
	other := worker(3)
	other.Project = "other"
	put(s.Workers.PutWorker(ctx, other, 0))
	same(t, "Workers, by id", workers(t, s, project), []keybearer.Worker{keptWorker(bare, 1), keptWorker(worker(2), 1)})
	same(t, "Workers of another project", workers(t, s, "other"), []keybearer.Worker{keptWorker(other, 1)})
}

func workerVersions(t *testing.T, s Stores) {
	ctx := t.Context()
	_, err := s.Workers.PutWorker(ctx, worker(1), 1)
	wantKind(t, "writing over a row that is not there", err, keybearer.Conflict)
	must[keybearer.Worker](t)(s.Workers.PutWorker(ctx, worker(1), 0))
	_, err = s.Workers.PutWorker(ctx, worker(1), 0)
	wantKind(t, "creating twice", err, keybearer.Conflict)
	w := keybearer.Worker{Project: project, ID: worker(1).ID, URI: "all else is gone", CreatedAt: at(2), UpdatedAt: at(2), Version: 77}
	same(t, "the second version", must[keybearer.Worker](t)(s.Workers.PutWorker(ctx, w, 1)), keptWorker(w, 2))
	same(t, "Workers", workers(t, s, project), []keybearer.Worker{keptWorker(w, 2)})
	_, err = s.Workers.PutWorker(ctx, w, 1)
	wantKind(t, "writing over an old version", err, keybearer.Conflict)
}

func workerNotAliased(t *testing.T, s Stores) {
	spoil := func(w keybearer.Worker) {
		w.Secret[0], w.SecretNames[0], w.Command[0] = 'X', "spoilt", "spoilt"
		w.Headers["Authorization"], w.Env["A"] = "spoilt", "spoilt"
	}
	w := worker(1)
	put := must[keybearer.Worker](t)(s.Workers.PutWorker(t.Context(), w, 0))
	spoil(w)
	spoil(put)
	for range 3 {
		got := workers(t, s, project)
		same(t, "Workers", got, []keybearer.Worker{keptWorker(worker(1), 1)})
		spoil(got[0])
	}
}

func workerSwapRace(t *testing.T, s Stores) {
	for version := range int64(3) {
		oneWins(t, race(rivals, func(i int) error {
			w := worker(1)
			w.URI = fmt.Sprint(i)
			_, err := s.of(i).Workers.PutWorker(t.Context(), w, version)
			return err
		}), keybearer.Conflict)
		if got := workers(t, s, project); len(got) != 1 || got[0].Version != version+1 {
			t.Fatalf("got %+v, want one worker of version %d", got, version+1)
		}
	}
}

func workerDelete(t *testing.T, s Stores) {
	ctx := t.Context()
	for n := range 2 {
		must[keybearer.Worker](t)(s.Workers.PutWorker(ctx, worker(n), 0))
	}
	wantKind(t, "DeleteWorker in another project", s.Workers.DeleteWorker(ctx, "other", worker(0).ID), keybearer.NotFound)
	ok(t, s.Workers.DeleteWorker(ctx, project, worker(0).ID))
	same(t, "Workers", workers(t, s, project), []keybearer.Worker{keptWorker(worker(1), 1)})
	wantKind(t, "DeleteWorker again", s.Workers.DeleteWorker(ctx, project, worker(0).ID), keybearer.NotFound)
	must[keybearer.Worker](t)(s.Workers.PutWorker(ctx, worker(0), 0))
}

package storetest

import (
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
)

func resealExam() []question {
	return []question{
		{"GrantKeys", resealGrantKeys},
		{"ReplaceGrants", resealReplaceGrants},
	}
}

// Every grant is named once with its key, page by page, whatever its form.
func resealGrantKeys(t *testing.T, s Stores) {
	ctx := t.Context()
	put := func(n int, grant seal.Value) keybearer.ConnectionID {
		c := connection(n)
		c.Grant = grant
		must[keybearer.Connection](t)(s.Reseal.PutConnection(ctx, c, 0))
		return c.ID
	}
	long := string(make([]byte, 64))
	want := []keybearer.GrantKey{
		{Connection: put(1, append(seal.Head("d1"), hash(1)...)), Key: "d1"},
		{Connection: put(2, append(seal.Head("d10"), hash(2)...)), Key: "d10"},
		{Connection: put(4, append(seal.Head(long), hash(4)...)), Key: long},
		{Connection: put(5, seal.Value("broken"))},
	}
	put(3, nil)
	foreign := connection(6)
	foreign.Project = "p2"
	must[keybearer.Connection](t)(s.Reseal.PutConnection(ctx, foreign, 0))

	same(t, "GrantKeys", must[[]keybearer.GrantKey](t)(s.Reseal.GrantKeys(ctx, project, "", 100)), want)
	first := must[[]keybearer.GrantKey](t)(s.Reseal.GrantKeys(ctx, project, "", 2))
	same(t, "the first page", first, want[:2])
	same(t, "the second page", must[[]keybearer.GrantKey](t)(s.Reseal.GrantKeys(ctx, project, first[1].Connection, 100)), want[2:])
	if rest := must[[]keybearer.GrantKey](t)(s.Reseal.GrantKeys(ctx, project, want[3].Connection, 100)); len(rest) > 0 {
		t.Errorf("after the last: got %v, want nothing", rest)
	}
}

// A grant is exchanged only in the version that was read, and everything else stays as it is.
func resealReplaceGrants(t *testing.T, s Stores) {
	ctx := t.Context()
	put := must[keybearer.Connection](t)
	first, second := put(s.Reseal.PutConnection(ctx, connection(1), 0)), put(s.Reseal.PutConnection(ctx, connection(2), 0))
	newer := put(s.Reseal.PutConnection(ctx, second, second.Version))
	must[keybearer.Connection](t)(s.Reseal.Connection(ctx, first.Ref)) // it may be remembered somewhere
	gone := connection(3)
	gone.Version = 1

	change := []keybearer.Connection{first, second, gone}
	for i := range change {
		change[i].Grant, change[i].Reason = seal.Value("sealed anew"), "not to be stored"
	}
	ok(t, s.Reseal.ReplaceGrants(ctx, change))
	want := first
	want.Grant, want.Version = seal.Value("sealed anew"), first.Version+1
	same(t, "the exchanged one", put(s.Reseal.Connection(ctx, first.Ref)), want)
	same(t, "the one that was written meanwhile", put(s.Reseal.Connection(ctx, second.Ref)), newer)
	_, err := s.Reseal.Connection(ctx, gone.Ref)
	wantKind(t, "the one that is not there", err, keybearer.NotFound)
}

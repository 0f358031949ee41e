package storetest_test

import (
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/storetest"
)

// An embedder's test, here of the stores in memory: a fresh set for each question. TestMemoryPasses in
// this package is the same, and runs.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestMyStores(t *testing.T)
		storetest.Run(t, func(*testing.T) storetest.Stores {
			return storetest.All(keybearer.NewMemory())
		})
	}
}

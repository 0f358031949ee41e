package storetest_test

import (
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/storetest"
)

func TestMemoryPasses(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Stores { return storetest.All(keybearer.NewMemory()) })
}

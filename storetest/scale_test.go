package storetest_test

import (
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/storetest"
)

func TestMemoryCostsTheSameAmongManyRows(t *testing.T) {
	storetest.Scale(t, func(*testing.T) storetest.Stores { return storetest.All(keybearer.NewMemory()) }, 20_000)
}

package sqlstore_test

import (
	"testing"

	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/storetest"
)

func TestCostDoesNotGrowWithRows(t *testing.T) {
	costs(t, func(t *testing.T) sqlstore.Config { return sqlstore.Config{Exclusive: true} })
}

func TestPostgresCostDoesNotGrowWithRows(t *testing.T) {
	costs(t, func(t *testing.T) sqlstore.Config { return onPostgres(t) })
}

// costs compares with 10,000 rows; see storetest.Scale for a million.
func costs(t *testing.T, cfg func(*testing.T) sqlstore.Config) {
	storetest.Scale(t, func(t *testing.T) storetest.Stores { return storetest.All(open(t, cfg(t))) }, 10_000)
}

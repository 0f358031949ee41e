// Package storetest is the exam that every store passes: what the store interfaces of the root package
// promise, as tests. It owns the questions; the stores, and what else can go wrong with the medium they
// are kept on, are left to their own packages.
//
// Whoever writes a store examines it in four parts, each from a test of its own:
//
//	func TestStores(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Stores {
//			return storetest.All(open(t, t.TempDir()))
//		})
//	}
//
//	func TestKilled(t *testing.T) {
//		storetest.Crash(t, 6, (*testing.T).TempDir, func(t *testing.T, dir string) storetest.Stores {
//			return storetest.All(open(t, dir))
//		})
//	}
//
//	func TestCost(t *testing.T) {
//		storetest.Scale(t, func(t *testing.T) storetest.Stores {
//			return storetest.All(open(t, t.TempDir()))
//		}, 20_000)
//	}
//
//	func TestNothingIsPlain(t *testing.T) {
//		dir := t.TempDir()
//		... // a Broker on the store, and through it a grant whose tokens are canaries
//		storetest.NoPlaintext(t, dir, "canary-access-token", "canary-refresh-token")
//	}
//
// [Run] asks about one interface after the other: that rows come back as they were, to the microsecond
// and belonging to the caller; of which kind errors are; that versions decide, that of a hundred rivals
// one wins and nothing of the others remains; that what is due is claimed once, and again when whoever
// claimed it has died; that leases keep others out while they last, and nobody once they have ended. It
// needs no server of its own and takes seconds. [Stores.Rival] is for stores that several replicas share:
// then the rivals meet there, too. Interfaces that a store does not have are passed over, and so are its
// questions: [All] names those that it has.
//
// [Crash] kills the process that writes, and looks at what is left. [Scale] compares costs among many
// rows with those among few; a million are asked for with KEYBEARER_STORETEST_ROWS=1000000. Where a
// database tells its plans, ask it for those of the hot statements, too: that is sharper than time.
// [NoPlaintext] reads files.
//
// What the exam cannot see: a loss of power, when what the kernel had taken is lost; a disk that is full
// or broken, a network that hangs, clocks of replicas that differ; values that are compressed; whether
// rows that ended long ago are removed. And that a race was lost in none of a hundred tries is no proof
// that it cannot be.
//
// The exam is examined itself: for each question there is a store with the one defect that it has to
// notice, in the tests of this package. They are worth reading for what stores get wrong.
package storetest

// Package postgrestest starts a real PostgreSQL server for a test binary, and takes it away again.
//
//	url := postgrestest.Database(t) // a fresh, empty database on a server that all tests of the binary share
//
// That is all that most tests need. The server starts at the first call, in about two seconds, and no
// TestMain has to stop it: it ends with the test binary, however that ends, and so does its folder. A
// test that stops, kills or overwhelms a server starts one of its own ([Start]) and stops it
// ([Server.Stop]).
//
// The server is the one that is installed: its programs are looked for in PATH, where pg_config says,
// and in Debian's place. Nothing is downloaded. It listens on a free port of 127.0.0.1, trusts
// everybody on this machine, and does not sync: it survives a kill of its processes, not a power cut.
// Since PostgreSQL refuses to run as root, root starts it as the user postgres, else nobody.
//
// Where PostgreSQL is not installed a test that asks for it fails and says so. To be left out there, and
// named as left out, a test is called TestPostgres..., or is a subtest called exactly "postgres":
// scripts/race.sh knows both.
//
// The package knows nothing of Keybearer: what is in a database is the business of whoever asked for it.
package postgrestest

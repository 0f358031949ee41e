// Package interop holds the tests that drive the built engine with published
// software, unmodified: the Python and JavaScript clients of the wire contract, the
// certified oidc-provider, Glewlwyd, a real browser, clients of Atlassian's
// APIs against the sandbox, and programs of many runtimes under `keybearer run`. It owns how these are
// brought in (setup.sh), started and stopped, and the promises that only such an
// outsider can check. What the engine's own packages promise to one another is
// tested in those packages.
package interop

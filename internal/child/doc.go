// Package child starts the agent's program and stands behind it until it ends: its environment, the
// certificates it is to trust, its terminal and signals, its exit code, and, where the system can do that,
// a network of its own whose only way out is the proxy.
//
//	code, err := child.Run(ctx, child.Config{
//		Argv:  []string{"agent", "--now"},
//		Env:   os.Environ(),
//		Proxy: proxy, // http://run:secret@127.0.0.1:40123
//		CA:    authority,
//		Set:   placeholders,
//		Strip: []string{"KEYBEARER_*"},
//	})
//
// The program is meant not to notice: it gets our own input and output, no pipes, and stays in our process
// group, so that the terminal is as much its own as if the shell had started it. We never touch the
// terminal, and die of nothing that the terminal sends.
//
// The package knows nothing of tokens or proxies but a URL and a certificate. docs/run-environment.md lists the
// variables and who reads them.
package child

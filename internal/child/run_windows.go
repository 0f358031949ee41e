package child

import (
	"context"
	"os"
	"os/signal"
)

// run starts the program and waits for it. Ctrl-C goes to everything that shares the console, so
// we only have to outlive it; there are no other signals to pass on.
func run(ctx context.Context, c Config, path string, env []string) (int, error) {
	if c.Isolate {
		_, _, err := startIsolated(c, path, env)
		return CodeFailed, err
	}
	keys := make(chan os.Signal, 1)
	signal.Notify(keys, os.Interrupt)
	defer signal.Stop(keys)

	process, err := os.StartProcess(path, c.Argv, &os.ProcAttr{Dir: c.Dir, Env: env, Files: c.streams()})
	if err != nil {
		_, code, err := failedStart(path, err)
		return code, err
	}
	stop := context.AfterFunc(ctx, func() { _ = process.Kill() })
	defer stop()
	state, err := process.Wait()
	if err != nil {
		return CodeFailed, err
	}
	return state.ExitCode(), nil
}

package postgrestest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// keeping is the shell script that stands between the test binary and the server, so that the server
// cannot outlive the binary: it reads from a pipe whose other end only the binary has, and which the
// operating system closes however the binary ends. A line is the signal to send to the server; the end
// of the pipe means that nobody is left, and that the folder has to go, too.
const keeping = `
dir=$1; shift
"$@" </dev/null 3<&- &
server=$!
{
	if read -r signal; then
		kill -s "$signal" "$server"
	else
		: >"$dir/orphaned"
		kill -s QUIT "$server"
	fi
} <&3 &
listener=$!
wait "$server"
kill "$listener" 2>/dev/null
: >"$dir/ended"
if [ -e "$dir/orphaned" ]; then rm -rf "$dir"; fi
`

// keeper is the process that keeps a server. It has a session of its own, so that a terminal's Ctrl-C
// reaches the test binary alone.
type keeper struct {
	cmd  *exec.Cmd
	pipe *os.File
	dir  string
}

func keep(dir string, command ...string) (_ *keeper, err error) {
	if err := os.RemoveAll(filepath.Join(dir, "ended")); err != nil { // of a server before
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening PostgreSQL's log: %w", err)
	}
	defer log.Close()
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	// A context would kill the keeper and leave the server: it is ended by end.
	cmd := exec.Command("/bin/sh", append([]string{"-c", keeping, "postgrestest", dir}, command...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = dir, log, log, []*os.File{theirs}
	if err = unprivileged(cmd); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting PostgreSQL: %w", err), ours.Close())
	}
	return &keeper{cmd: cmd, pipe: ours, dir: dir}, nil
}

// ended reports whether the server has ended by itself.
func (k *keeper) ended() bool {
	_, err := os.Stat(filepath.Join(k.dir, "ended"))
	return !errors.Is(err, fs.ErrNotExist)
}

// end sends the server a signal, unless it has ended already, and waits until it is gone.
func (k *keeper) end(signal string) error {
	// Where the server has ended by itself nobody reads this; Wait tells what became of the keeper.
	_, _ = fmt.Fprintln(k.pipe, signal)
	return errors.Join(k.cmd.Wait(), k.pipe.Close())
}

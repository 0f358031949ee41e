package child

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// becoming is how long the other side may take to become the program.
const becoming = 20 * time.Second

// startIsolated starts the program in a network of its own. A process that has several threads, as a Go
// program always has, cannot enter a user namespace, only be born in one. So we start ourselves there (see
// [Enter]), hand over a socket, and get back over it a listener that belongs to the child's network but
// that we accept from. Then the other side becomes the program, and no process stays in between.
func startIsolated(c Config, path string, env []string) (process *os.Process, stop func(), err error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, nil, fmt.Errorf("isolating the run: %w", err)
	}
	defer ours.Close()

	argv := append([]string{entering, c.Proxy.Port(), path}, c.Argv...)
	process, err = os.StartProcess("/proc/self/exe", argv, &os.ProcAttr{
		Dir: c.Dir, Env: env, Files: append(c.streams(), theirs), Sys: apart(attributes()),
	})
	theirs.Close()
	if err != nil {
		return nil, nil, refusal("", err)
	}
	listener, err := receive(ours)
	if err != nil {
		_ = process.Kill() // it must not become the program behind our back
		return process, nil, err
	}
	return process, newRelay(listener, c.Proxy).close, nil
}

func socketPair() (ours *net.UnixConn, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs = os.NewFile(uintptr(pair[1]), "isolation")
	file := os.NewFile(uintptr(pair[0]), "isolation")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}

// apart asks for a network namespace in a user namespace: for the right to make one, and, if we are root,
// to take from the child the right to leave it. Users and groups stay who they are. The child is
// born with all rights in there and keeps through exec the two that it needs to set up its network.
func apart(a *syscall.SysProcAttr) *syscall.SysProcAttr {
	a.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNET
	a.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE}
	if os.Geteuid() == 0 {
		a.UidMappings, a.GidMappings = everybody("/proc/self/uid_map"), everybody("/proc/self/gid_map")
		a.GidMappingsEnableSetgroups = true
		return a
	}
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	return a
}

// everybody maps all ids that there are in our own user namespace (user_namespaces(7)) to themselves.
func everybody(file string) []syscall.SysProcIDMap {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var all []syscall.SysProcIDMap
	for line := range strings.Lines(string(text)) {
		var first, outside, count int64
		if _, err := fmt.Sscan(line, &first, &outside, &count); err != nil || first > math.MaxInt {
			continue
		}
		all = append(all, syscall.SysProcIDMap{ContainerID: int(first), HostID: int(first), Size: int(min(count, math.MaxInt))})
	}
	return all
}

// receive waits for the listener, and then until the other side has become the program, which closes its
// end. Both take milliseconds, unless somebody stops the other side meanwhile.
func receive(ours *net.UnixConn) (net.Listener, error) {
	if err := ours.SetReadDeadline(time.Now().Add(becoming)); err != nil {
		return nil, err
	}
	word, room := make([]byte, 512), make([]byte, unix.CmsgSpace(4))
	n, held, _, _, err := ours.ReadMsgUnix(word, room)
	if err != nil || n == 0 {
		return nil, errEndedEarly
	}
	if string(word[:n]) != wordListening {
		return nil, failure(string(word[:n]))
	}
	listener, err := listenerIn(room[:held])
	if err != nil {
		return nil, fmt.Errorf("isolating the run: %w", err)
	}
	rest, err := io.ReadAll(io.LimitReader(ours, 512))
	if err != nil || len(rest) > 0 {
		listener.Close()
		return nil, failure(string(rest))
	}
	return listener, nil
}

func listenerIn(rights []byte) (net.Listener, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	if len(messages) != 1 {
		return nil, errors.New("no listener came")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fds[0]), "listener")
	defer file.Close()
	unix.CloseOnExec(fds[0])
	return net.FileListener(file)
}

// errEndedEarly: the other side has ended without a word. Its exit code tells more.
var errEndedEarly = errors.New("this run could not be isolated: the process that was to become the program has ended, or was stopped, before it did. Run it again")

// failure reads what the other side reports: a step and an errno.
func failure(word string) error {
	step, number, _ := strings.Cut(word, " ")
	errno, err := strconv.Atoi(number)
	if err != nil {
		return errEndedEarly
	}
	if step == stepProgram {
		return notRun{syscall.Errno(errno)}
	}
	return refusal(step, syscall.Errno(errno))
}

// refusal says why the system gives no network of its own, and what can be done.
func refusal(step string, err error) error {
	if step != "" {
		step += ": "
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return errNoIsolation("user namespaces are switched off here (user.max_user_namespaces is 0, or all are taken); " +
			"as root: sysctl user.max_user_namespaces=10000")
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES):
		return errNoIsolation("this system does not let you make user namespaces (" + step + err.Error() + "); " +
			"on Ubuntu, as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0; " +
			"on older Debian: sysctl kernel.unprivileged_userns_clone=1; " +
			"in a container its runtime has to allow it (docker run --security-opt seccomp=unconfined), or isolate the container itself")
	case errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS):
		return errNoIsolation("this kernel has no user or network namespaces; it needs CONFIG_USER_NS and CONFIG_NET_NS")
	}
	return errNoIsolation("making the network: " + step + err.Error())
}

package child

import (
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// entering is the name by which a process is called that is to become the program of an isolated run.
	entering = "keybearer-entering"
	// socket is the descriptor over which it reports, behind input, output and error output.
	socket = 3

	wordListening = "listening"
	stepProgram   = "program"
)

// Enter has to be the first call of main in a program that uses [Config.Isolate]. It returns at once, unless
// this process was started by [Run] to become the program of an isolated run; then it does not return.
// The arguments of such a process are its name, the proxy's port, the path of the program, and the program's own.
func Enter() {
	if len(os.Args) < 4 || os.Args[0] != entering {
		return
	}
	runtime.LockOSThread() // capabilities belong to threads
	syscall.CloseOnExec(socket)
	step, err := enter(os.Args[1], os.Args[2], os.Args[3:])
	errno, ok := err.(syscall.Errno)
	if !ok {
		errno = syscall.EINVAL
	}
	_, _ = syscall.Write(socket, []byte(step+" "+strconv.Itoa(int(errno))))
	os.Exit(CodeFailed)
}

// enter returns only if it fails.
func enter(port, path string, argv []string) (step string, err error) {
	number, err := strconv.Atoi(port)
	if err != nil {
		return "port", err
	}
	if err := loopbackUp(); err != nil {
		return "loopback", err
	}
	listener, err := listen(number)
	if err != nil {
		return "listening", err
	}
	if err := unix.Sendmsg(socket, []byte(wordListening), unix.UnixRights(listener), nil, 0); err != nil {
		return "reporting", err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return "capabilities", err
	}
	return stepProgram, syscall.Exec(path, argv, os.Environ())
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// listen listens where the child's proxy variables point.
func listen(port int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	return fd, unix.Listen(fd, unix.SOMAXCONN)
}

//go:build unix

package postgrestest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// unprivileged lets a command run as somebody whom PostgreSQL accepts, in a session of its own.
func unprivileged(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := somebody()
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	return nil
}

// handOver gives a folder to the user that the server runs as.
func handOver(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := somebody()
	if err != nil {
		return err
	}
	return os.Chown(dir, int(uid), int(gid))
}

// somebody is a user that is not root.
func somebody() (uid, gid uint32, err error) {
	var found *user.User
	for _, name := range []string{"postgres", "nobody"} {
		if found, err = user.Lookup(name); err == nil {
			break
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("PostgreSQL does not run as root, and there is neither a user postgres nor nobody: %w", err)
	}
	u, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("the id of user %s: %w", found.Username, err)
	}
	g, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("the group of user %s: %w", found.Username, err)
	}
	return uint32(u), uint32(g), nil
}

package child

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// find gives the path of a program, or the exit code and the sentence for why there is none.
func find(name, dir string) (path string, code int, err error) {
	if dir != "" && !filepath.IsAbs(name) && strings.ContainsAny(name, `/`+string(filepath.Separator)) {
		name = filepath.Join(dir, name)
	}
	path, err = exec.LookPath(name)
	switch {
	case err == nil:
		path, err = filepath.Abs(path) // the child may start in another folder
		return path, CodeFailed, err
	case errors.Is(err, exec.ErrDot):
		return "", CodeNotFound, fmt.Errorf("%s: found only in the current folder, which is not searched; to run that one, say .%c%s", name, filepath.Separator, name)
	case errors.Is(err, exec.ErrNotFound):
		if at := lacksPermission(name); at != "" {
			return "", CodeNotExecutable, fmt.Errorf("%s is there but not executable; allow that with: chmod +x %s", at, at)
		}
		return "", CodeNotFound, fmt.Errorf("%s: no such program in PATH; check the spelling, install it, or give its path", name)
	}
	return failedStart(name, err)
}

// lacksPermission gives the first file of that name in PATH, which the search has passed over.
func lacksPermission(name string) string {
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		at := filepath.Join(folder, name)
		if info, err := os.Stat(at); err == nil && info.Mode().IsRegular() && filepath.IsAbs(folder) {
			return at
		}
	}
	return ""
}

// failedStart tells the ways apart in which the system refuses to run a file.
func failedStart(path string, err error) (string, int, error) {
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && statErr == nil: // the file is there, so what is missing is behind it
		return "", CodeNotExecutable, fmt.Errorf("%s cannot run: the interpreter that its first line names, or its loader, is not installed", path)
	case errors.Is(err, fs.ErrNotExist):
		return "", CodeNotFound, fmt.Errorf("%s: no such file; check the path", path)
	case statErr == nil && info.IsDir():
		return "", CodeNotExecutable, fmt.Errorf("%s is a folder, not a program", path)
	case errors.Is(err, fs.ErrPermission):
		return "", CodeNotExecutable, fmt.Errorf("%s is not executable for you; allow it with: chmod +x %s", path, path)
	case errors.Is(err, syscall.ENOEXEC):
		return "", CodeNotExecutable, fmt.Errorf("%s is no program for this machine; if it is a script, let its first line name an interpreter (#!/bin/sh)", path)
	}
	return "", CodeNotExecutable, fmt.Errorf("starting %s: %w", path, err)
}

//go:build !linux

package main

import "os/exec"

// endWithParent is for Linux; elsewhere a child may survive this program when that is killed.
func endWithParent(*exec.Cmd) {}

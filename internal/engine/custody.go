package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

const (
	// rootKeyCommandTime is what a program that prints a root key may take.
	rootKeyCommandTime = 30 * time.Second
	// maxRootKey bounds a root key, in bytes.
	maxRootKey = 64 << 10
	// maxCommandWords is how much is shown of what it says on its standard error, in bytes.
	maxCommandWords = 500
)

// rootKeyText gets a root key from where it is kept.
func rootKeyText(ctx context.Context, k config.RootKey) (secret.String, error) {
	switch {
	case k.File != "":
		return rootKeyOfFile(k.File)
	case len(k.Command) > 0:
		return rootKeyOfCommand(ctx, k.Command)
	}
	return k.Value, nil
}

func rootKeyOfFile(path string) (secret.String, error) {
	info, err := os.Stat(path)
	if err != nil {
		return secret.String{}, fmt.Errorf("reading it: %w", err)
	}
	switch {
	case !info.Mode().IsRegular(): // a pipe could hold the start up for ever
		return secret.String{}, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxRootKey:
		return secret.String{}, fmt.Errorf("the file %s is larger than %d KB", path, maxRootKey>>10)
	case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows": // where modes say nothing
		return secret.String{}, fmt.Errorf("the file %s can be used by others than its owner (mode %04o): chmod 600 %[1]s, and if others could read it, use another key", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return secret.String{}, fmt.Errorf("reading it: %w", err)
	}
	return rootKeyOf(text, "the file "+path)
}

// rootKeyOfCommand runs a program that prints the key. Neither its arguments nor its output are shown:
// either may hold what unlocks the key.
func rootKeyOfCommand(ctx context.Context, argv []string) (secret.String, error) {
	ctx, cancel := context.WithTimeout(ctx, rootKeyCommandTime)
	defer cancel()
	printed, words := &head{limit: maxRootKey + 1}, &head{limit: maxCommandWords}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = printed, words
	cmd.WaitDelay = time.Second // for what it left running with our pipes
	err := cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return secret.String{}, fmt.Errorf("%s printed no key within %s", argv[0], rootKeyCommandTime)
	case err != nil:
		return secret.String{}, fmt.Errorf("%s did not print it (%w): %s", argv[0], err, oauth.Clean(string(words.kept), maxCommandWords))
	case len(printed.kept) > maxRootKey:
		return secret.String{}, fmt.Errorf("%s printed more than %d KB", argv[0], maxRootKey>>10)
	}
	return rootKeyOf(printed.kept, argv[0])
}

// rootKeyOf takes the key without the line end behind it.
func rootKeyOf(text []byte, source string) (secret.String, error) {
	key := strings.TrimRight(string(text), "\r\n")
	if strings.TrimSpace(key) == "" {
		return secret.String{}, fmt.Errorf("%s gave nothing", source)
	}
	return secret.New(key), nil
}

// head keeps the beginning of what is written to it, and forgets the rest.
type head struct {
	kept  []byte
	limit int
}

// Write implements [io.Writer].
func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), h.limit-len(h.kept))]...)
	return len(p), nil
}

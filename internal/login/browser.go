package login

import (
	"context"
	"os/exec"
	"runtime"
	"time"
)

// opening is how long a browser's starter may take before it is left to itself.
const opening = 10 * time.Second

// Browser opens a URL in the person's browser, and reports whether there is one to try. BROWSER, when set, is the
// program to use. Env looks up environment variables.
func Browser(ctx context.Context, env func(string) (string, bool), url string) bool {
	argv := browserCommand(env)
	if argv == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, opening)
	defer cancel()
	return exec.CommandContext(ctx, argv[0], append(argv[1:], url)...).Run() == nil
}

// browserCommand is what opens a browser here, or nil: on a machine without a screen nothing does.
func browserCommand(env func(string) (string, bool)) []string {
	set := func(name string) bool {
		text, ok := env(name)
		return ok && text != ""
	}
	if text, _ := env("BROWSER"); text != "" {
		return []string{text}
	}
	switch runtime.GOOS {
	case "darwin":
		return []string{"open"}
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	if !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
		return nil
	}
	path, err := exec.LookPath("xdg-open")
	if err != nil {
		return nil
	}
	return []string{path}
}

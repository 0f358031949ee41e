package interop_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheFirstMinuteEndsWithAToken does what `keybearer dev` (make run) says: open the
// link, accept, run the curl line. Nothing is configured and nothing else is known.
func TestTheFirstMinuteEndsWithAToken(t *testing.T) {
	t.Parallel()
	p := run(t, "keybearer dev", command{
		path: os.Getenv(binaryVariable), dir: t.TempDir(),
		args: []string{"dev", "--port", fmt.Sprint(freePort(t)), "--sandbox-port", fmt.Sprint(freePort(t))},
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	curl := regexp.MustCompile(`curl -H "(Authorization): ([^"]+)" "([^"]+)"`)
	var line []string
	for number := 0; line == nil; number++ {
		text, ok := p.stdout.wait(ctx, number)
		if !ok {
			t.Fatalf("there is no curl line in:\n%s\n%s", p.stdout.tail(40), p.stderr.tail(40))
		}
		line = curl.FindStringSubmatch(text)
	}
	link := regexp.MustCompile(`https?://\S+/start/\S+`).FindString(strings.Join(p.stdout.all(), "\n"))
	if link == "" {
		t.Fatalf("there is no link in:\n%s", p.stdout.tail(40))
	}

	newPerson(t, "alice").consents(t, link)

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, line[3], nil)
	if err != nil {
		t.Fatalf("the address of the curl line: %v", err)
	}
	req.Header.Set(line[1], line[2])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("the curl line: %v", err)
	}
	var got authorization
	read(t, resp, http.StatusOK, &got)
	if got.Status != "completed" || got.Context.Token == "" || got.Context.UserInfo["email"] != "alice@example.com" {
		t.Errorf("the curl line gives %q (token: %t) for %v, want a token of alice@example.com", got.Status, got.Context.Token != "", got.Context.UserInfo["email"])
	}
}

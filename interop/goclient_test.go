package interop_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"testing"
)

// clientVariable makes the test binary a Go program that is a client: see [goClient].
const clientVariable = "INTEROP_CLIENT"

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// asGo is the command of a Go program of that name.
func asGo(t *testing.T, name string, args ...string) []string {
	t.Helper()
	return append([]string{"/usr/bin/env", clientVariable + "=" + name, self(t)}, args...)
}

// goClient is what the test binary does as a client, with net/http as it comes.
func goClient(name string, args []string) int {
	clients := map[string]func(url string) error{"get": goGet, "browse": goBrowse, "around": goAround, "issuer": goIssuer, "talk": goTalk}
	if err := clients[name](args[0]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// goGet gets a URL, with the token that the environment has.
func goGet(url string) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("TEA_TOKEN"))
	return printed(http.DefaultClient.Do(req))
}

func printed(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// goBrowse is a person's browser, where nothing has to be clicked.
func goBrowse(url string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	direct := &http.Transport{} // what it goes to is on this machine
	return printed((&http.Client{Jar: jar, Transport: direct}).Get(url))
}

// goAround ignores the variables that name the proxy.
func goAround(url string) error {
	return printed((&http.Client{Transport: &http.Transport{}}).Get(url))
}

// goIssuer prints who signed the certificate that the client is shown.
func goIssuer(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	fmt.Println(resp.TLS.PeerCertificates[0].Issuer.CommonName)
	return resp.Body.Close()
}

// goTalk is a call with a stream in each direction, as gRPC makes them: each line is said when the one before
// was answered, and the verdict stands in the trailer.
func goTalk(url string) error {
	body, say := io.Pipe()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	heard := bufio.NewScanner(resp.Body)
	for _, word := range []string{"one", "two", "three"} {
		if _, err := fmt.Fprintln(say, word); err != nil {
			return err
		}
		if !heard.Scan() {
			return fmt.Errorf("no answer to %s: %w", word, heard.Err())
		}
		fmt.Println(resp.Proto, heard.Text())
	}
	_ = say.Close()
	for heard.Scan() {
	}
	fmt.Println("status", resp.Trailer.Get("Grpc-Status"))
	return heard.Err()
}

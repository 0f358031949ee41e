package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// browse is the browser of the scripts: `browser URL` follows redirects, keeps cookies, and fills in a form that it
// meets once with what the variables FORM_field say.
func browse() {
	jar, err := cookiejar.New(nil)
	check(err)
	client := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	res, err := client.Get(os.Args[1])
	check(err)
	page := read(res)
	fields := regexp.MustCompile(`<input id="[^"]*" name="([^"]*)"`).FindAllStringSubmatch(page, -1)
	button := regexp.MustCompile(`<button name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(fields)+len(button) > 0 && strings.Contains(page, "Keybearer") {
		form := url.Values{}
		for _, f := range fields {
			form.Set(f[1], os.Getenv("FORM_"+f[1]))
		}
		for _, b := range button {
			form.Set(b[1], os.Getenv("FORM_"+b[1]))
		}
		res, err = client.PostForm(res.Request.URL.String(), form)
		check(err)
		page = read(res)
	}
	if res.StatusCode >= 400 {
		fmt.Fprintf(os.Stderr, "%s: %s\n%s\n", res.Request.URL.Path, res.Status, page)
		os.Exit(1)
	}
}

func read(res *http.Response) string {
	defer res.Body.Close()
	page, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	check(err)
	return string(page)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

package proxy_test

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/proxy"
)

func FuzzTarget(f *testing.F) {
	for _, text := range []string{
		"api.example.com:443", "API.Example.COM.:443", "[::1]:443", "[::ffff:1.2.3.4]:80", "1.2.3.4:1", "127.1:443", "0x7f.0x1:1", "a..b:1",
		"[fe80::1%eth0]:1", "user@host:1", "host:0443", "host:", ":1", "", "xn--bcher-kva.example:443", "host:1:2", "[host]:1", "[::1]", "a/b:1", "a_b.c:9",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := proxy.ParseTarget(text, 443)
		if err != nil {
			return
		}
		if again, err := proxy.ParseTarget(got, 0); err != nil || again != got {
			t.Errorf("%q became %q, and that %q (%v)", text, got, again, err)
		}
		if got != strings.ToLower(got) || strings.ContainsAny(got, " /?#@\\%\x00\r\n\t*") || len(got) > 262 {
			t.Errorf("%q became %q", text, got)
		}
		host := got[:strings.LastIndexByte(got, ':')]
		last := host[strings.LastIndexByte(host, '.')+1:]
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && strings.Trim(last, "0123456789") == "" {
			t.Errorf("%q became %q, which some take for an address", text, got)
		}
	})
}

func FuzzServed(f *testing.F) {
	f.Add("api.hooli.example:443")
	f.Add("evil.example:443")
	f.Add("xhooli.example:443")
	f.Add("a.b.HOOLI.example.:443")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := proxy.ParseTarget(text, 0)
		want := err == nil && strings.HasSuffix(got, ".hooli.example:443")
		if served := proxy.ServedBy("*.hooli.example", text); served != want {
			t.Errorf("%q: served %v, want %v", text, served, want)
		}
		if served := proxy.ServedBy("hooli.example", text); served != (err == nil && got == "hooli.example:443") {
			t.Errorf("%q: served %v as the host itself", text, served)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, path := range []string{"/", "", "/a/b", "/a/../b", "/%2e%2e/", "/a%2fb", "/%252e%252e/", "/a//b", "/%41%zz%", "/..;a/b", "/\x80"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		plain := proxy.PlainPath(path)
		if again := proxy.PlainPath(plain); again != plain {
			t.Errorf("%q became %q, and that %q", path, plain, again)
		}
		if strings.Contains(plain, "//") {
			t.Errorf("%q became %q", path, plain)
		}
		if proxy.HasDots(path) {
			return
		}
		for read := plain; ; {
			for segment := range strings.SplitSeq(read, "/") {
				if segment == ".." || segment == "." {
					t.Errorf("%q has no dot segments, and is read as %q", path, read)
				}
			}
			next, err := url.PathUnescape(read)
			if err != nil || next == read {
				return
			}
			read = next
		}
	})
}

func FuzzPlaceholder(f *testing.F) {
	const tag, held, credential = "0123abcd", "hoo_0123abcdXYZ", "CREDENTIAL/+&"
	f.Add("Bearer "+held, "")
	f.Add("Basic "+base64.StdEncoding.EncodeToString([]byte("u:"+held)), "a=b")
	f.Add("basic "+base64.RawStdEncoding.EncodeToString([]byte(held+":")), "key="+held+"&key="+held)
	f.Add("hoo_0123abcd", "0123abcd")
	f.Add("Basic !!!", "%")
	f.Fuzz(func(t *testing.T, value, query string) {
		v, q, found := proxy.Replace(tag, held, value, query, credential)
		if !found {
			if v != value || q != query {
				t.Errorf("%q and %q were changed", value, query)
			}
			if strings.Contains(value, held) || strings.Contains(query, held) {
				t.Errorf("a placeholder was overlooked in %q or %q", value, query)
			}
			return
		}
		if strings.Contains(v, held) || strings.Contains(q, held) {
			t.Errorf("a placeholder is left in %q or %q", v, q)
		}
		if strings.ContainsAny(v, "\r\n") && !strings.ContainsAny(value, "\r\n") {
			t.Errorf("%q got a line more", v)
		}
		if strings.Count(q, "&") != strings.Count(query, "&") {
			t.Errorf("%q became %q", query, q)
		}
	})
}

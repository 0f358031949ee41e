package atlassian

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Network says how servers are reached. The zero value means: directly, trusting what the system trusts.
type Network struct {
	// ProxyURL is the proxy for all requests, "http://proxy.example.com:3128", with user and password if it
	// wants them. Otherwise there is none, unless ProxyFromEnvironment (HTTPS_PROXY, NO_PROXY) is set.
	ProxyURL             string
	ProxyFromEnvironment bool
	// CAFile holds certificates in PEM that are trusted besides the system's, for a server or a proxy with
	// an authority of its own.
	CAFile string
	// InsecureSkipVerify believes every certificate. Whoever is in between reads the client secret and the
	// tokens: it is for a laboratory.
	InsecureSkipVerify bool
	// AllowHTTP permits plain http to other machines, with the same consequence.
	AllowHTTP bool
	// Timeout is how long a request to an API may take, with its body; 0 means a minute. Requests for
	// tokens take 20 seconds at most.
	Timeout time.Duration
	// Transport is used in place of one that is made of all of the above but AllowHTTP and Timeout.
	Transport http.RoundTripper
}

func (n Network) transport() (http.RoundTripper, error) {
	if n.Transport != nil {
		if n.ProxyURL != "" || n.ProxyFromEnvironment || n.CAFile != "" || n.InsecureSkipVerify {
			return nil, bad("Network: Transport is there, which brings its own proxy and TLS settings: leave out the others")
		}
		return n.Transport, nil
	}
	proxy, err := n.proxy()
	if err != nil {
		return nil, err
	}
	roots, err := n.roots()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{ForceAttemptHTTP2: true}
	if usual, ok := http.DefaultTransport.(*http.Transport); ok {
		t = usual.Clone()
	}
	t.Proxy = proxy
	t.TLSClientConfig = &tls.Config{RootCAs: roots, InsecureSkipVerify: n.InsecureSkipVerify, MinVersion: tls.VersionTLS12} //nolint:gosec // that is what the setting says
	return t, nil
}

func (n Network) proxy() (func(*http.Request) (*url.URL, error), error) {
	switch {
	case n.ProxyURL != "" && n.ProxyFromEnvironment:
		return nil, bad("Network: there are ProxyURL and ProxyFromEnvironment: leave out one of them")
	case n.ProxyFromEnvironment:
		return http.ProxyFromEnvironment, nil
	case n.ProxyURL == "":
		return nil, nil
	}
	u, err := url.Parse(n.ProxyURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return nil, bad("Network: ProxyURL is no address of a proxy, such as http://proxy.example.com:3128") // it may hold a password
	}
	return http.ProxyURL(u), nil
}

func (n Network) roots() (*x509.CertPool, error) {
	if n.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(n.CAFile)
	if err != nil {
		return nil, bad("Network: reading CAFile: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, bad("Network: there is no certificate in CAFile %s: it has to be PEM, -----BEGIN CERTIFICATE-----", n.CAFile)
	}
	return roots, nil
}

func (n Network) timeout() time.Duration {
	if n.Timeout <= 0 {
		return time.Minute
	}
	return n.Timeout
}

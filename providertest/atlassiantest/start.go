package atlassiantest

import (
	"net/http"

	"github.com/keybearer/keybearer/providertest"
)

// Running is a server that listens on loopback until its test ends.
type Running struct {
	*Server
	URL    string       // scheme, host and port, without a slash at the end
	Client *http.Client // trusts the server's certificate; follows redirects
}

// Start runs a server over plain HTTP for the length of a test.
func Start(t providertest.TB, c Config) *Running {
	t.Helper()
	s := New(c)
	url, client := s.Listen(t, s, false)
	return &Running{s, url, client}
}

// StartTLS is [Start] over TLS, with a certificate that only Client trusts.
func StartTLS(t providertest.TB, c Config) *Running {
	t.Helper()
	s := New(c)
	url, client := s.Listen(t, s, true)
	return &Running{s, url, client}
}

// RunningDataCenter is a Data Center product that listens on loopback until
// its test ends.
type RunningDataCenter struct {
	*DataCenter
	URL    string       // the base URL: scheme, host, port and context path, without a slash at the end
	Client *http.Client // trusts the server's certificate; follows redirects
}

// StartDataCenter runs a Data Center product over plain HTTP for the length of
// a test.
func StartDataCenter(t providertest.TB, c DataCenterConfig) *RunningDataCenter {
	t.Helper()
	s := NewDataCenter(c)
	url, client := s.Listen(t, s, false)
	return &RunningDataCenter{s, url + s.contextPath(), client}
}

// StartDataCenterTLS is [StartDataCenter] over TLS, with a certificate that
// only Client trusts.
func StartDataCenterTLS(t providertest.TB, c DataCenterConfig) *RunningDataCenter {
	t.Helper()
	s := NewDataCenter(c)
	url, client := s.Listen(t, s, true)
	return &RunningDataCenter{s, url + s.contextPath(), client}
}

// RunningBitbucketCloud is a Bitbucket Cloud that listens on loopback until
// its test ends.
type RunningBitbucketCloud struct {
	*BitbucketCloud
	URL    string       // scheme, host and port, without a slash at the end
	Client *http.Client // trusts the server's certificate; follows redirects
}

// StartBitbucketCloud runs a Bitbucket Cloud over plain HTTP for the length of
// a test.
func StartBitbucketCloud(t providertest.TB, c BitbucketConfig) *RunningBitbucketCloud {
	t.Helper()
	s := NewBitbucketCloud(c)
	url, client := s.Listen(t, s, false)
	return &RunningBitbucketCloud{s, url, client}
}

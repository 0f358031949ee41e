package atlassian

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// The requests of a [Preflight], none of which needs a login.

// maxPreflight bounds what is read of an answer.
const maxPreflight = 64 << 10

// manifest is what a product tells other products of itself (application links).
type manifest struct {
	Type    string `json:"typeId" xml:"typeId"`
	Version string `json:"version" xml:"version"`
	URL     string `json:"url" xml:"url"`
}

func (p Preflight) manifest(ctx context.Context, base string) (manifest, error) {
	body, status, err := p.get(ctx, base+"/rest/applinks/latest/manifest")
	if err != nil {
		return manifest{}, err
	}
	if status == http.StatusTooManyRequests || status >= 500 {
		return manifest{}, fmt.Errorf("its manifest answered %d, %w", status, errBusy)
	}
	if status != http.StatusOK {
		return manifest{}, fmt.Errorf("its manifest answered %d", status)
	}
	return readManifest(body)
}

// errBusy marks answers that say nothing about what is there.
var errBusy = errors.New("which says nothing of what is there")

var errNoManifest = errors.New("what it gives as its manifest is none, but a page or something else")

// readManifest reads JSON or XML: versions differ in what they give.
func readManifest(body []byte) (manifest, error) {
	var m manifest
	body = bytes.TrimSpace(body)
	var err error
	if bytes.HasPrefix(body, []byte("{")) {
		err = json.Unmarshal(body, &m)
	} else {
		var in struct {
			XMLName xml.Name `xml:"manifest"`
			manifest
		}
		err = xml.Unmarshal(body, &in)
		m = in.manifest
	}
	if err != nil || m.Type == "" {
		return manifest{}, errNoManifest
	}
	return m, nil
}

// serverInfo is Jira's own word, which it gives to strangers too.
type serverInfo struct {
	BaseURL    string `json:"baseUrl"`
	Version    string `json:"version"`
	Deployment string `json:"deploymentType"`
}

func (p Preflight) serverInfo(ctx context.Context) (serverInfo, bool) {
	body, status, err := p.get(ctx, p.ServerURL+"/rest/api/2/serverInfo")
	var info serverInfo
	return info, err == nil && status == http.StatusOK && json.Unmarshal(body, &info) == nil && info.Version != ""
}

// elsewhere looks below the context paths that products have out of the box or by custom.
func (p Preflight) elsewhere(ctx context.Context) string {
	for _, path := range []string{"/jira", "/confluence", "/wiki", "/bitbucket", "/stash"} {
		if _, err := p.manifest(ctx, p.ServerURL+path); err == nil {
			return p.ServerURL + path
		}
	}
	return ""
}

// get asks for a page without credentials. Its error is a *url.Error where no answer came.
func (p Preflight) get(ctx context.Context, address string) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, &url.Error{Op: "Get", URL: p.ServerURL, Err: errors.New("this is not a URL")}
	}
	req.Header.Set("Accept", "application/json")
	client := http.DefaultClient
	if p.HTTP != nil {
		client = p.HTTP
	}
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := once.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPreflight))
	if err != nil {
		return nil, res.StatusCode, fmt.Errorf("its answer broke off after %d bytes", len(body))
	}
	if to, err := res.Location(); err == nil && res.StatusCode >= 300 && res.StatusCode < 400 {
		return nil, res.StatusCode, fmt.Errorf("it sends us on to %s", to.Redacted())
	}
	return body, res.StatusCode, nil
}

// reasonOf is why no answer came, without the URL, which is told already.
func reasonOf(err error) string {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return printable(err.Error(), 300)
}

// older reports whether a version, as far as it can be read, comes before another.
func older(version, than string) bool {
	have, ok := numbers(version)
	least, known := numbers(than)
	return ok && known && (have[0] < least[0] || have[0] == least[0] && have[1] < least[1])
}

// numbers are the first two of a version: 8.22 of 8.22.1, 9.0 of 9-SNAPSHOT.
func numbers(version string) (out [2]int, ok bool) {
	for i, part := range strings.SplitN(version, ".", 3) {
		digits := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil {
			return out, i > 0
		}
		if i < 2 {
			out[i] = n
		}
	}
	return out, version != ""
}

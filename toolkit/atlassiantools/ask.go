package atlassiantools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/tool"
)

// maxAnswer bounds an answer of a product.
const maxAnswer = 8 << 20

// product is one toolkit's Atlassian.
type product struct {
	name   atlassian.Product
	config Config
}

// desk is a product at one site, for one call of a tool.
type desk struct {
	product
	call   *tool.Call
	site   atlassian.Site
	scopes []string // that the tool declares
}

// desk opens the site that a call is meant for.
func (p product) desk(ctx context.Context, c *tool.Call, wanted string, scopes []string) (*desk, error) {
	site, err := p.site(ctx, c, wanted)
	if err != nil {
		return nil, err
	}
	return &desk{p, c, site, scopes}, nil
}

// request is one call of the REST API.
type request struct {
	method, path string // the path as it is at the site, escaped
	query        url.Values
	body         any // nil for none
	into         any // nil for an answer that nobody reads
	// change reports a call after which something may be different: it is not to be made twice.
	change bool
}

// do makes a call at the gateway. Errors are a [*tool.Error], or one that [tool.NeedMore] made.
func (d *desk) do(ctx context.Context, r request) error {
	var body io.Reader
	if r.body != nil {
		sent, err := json.Marshal(r.body)
		if err != nil {
			return fmt.Errorf("writing a request: %w", err)
		}
		body = bytes.NewReader(sent)
	}
	address := d.config.Gateway + "/ex/" + string(d.name) + "/" + url.PathEscape(d.site.ID) + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := d.call.HTTP().Do(req)
	if err != nil {
		return lost(ctx, err, "asking "+d.name.String(), r.change)
	}
	defer func() { _ = res.Body.Close() }()
	if failed := d.refused(res, d, r.change); failed != nil {
		return failed
	}
	return d.take(ctx, res.Body, r)
}

// take reads the answer.
func (d *desk) take(ctx context.Context, from io.Reader, r request) error {
	if r.into == nil {
		return nil
	}
	answer, err := io.ReadAll(io.LimitReader(from, maxAnswer+1))
	switch {
	case err != nil:
		return lost(ctx, err, "reading the answer of "+d.name.String(), r.change)
	case len(answer) > maxAnswer:
		return &tool.Error{Kind: api.ToolUpstreamServerError, Message: fmt.Sprintf("%s gave more than %d MiB: ask for less.", d.name, maxAnswer>>20)}
	}
	if err := json.Unmarshal(answer, r.into); err != nil {
		return &tool.Error{
			Kind: api.ToolUpstreamServerError, Message: d.name.String() + " gave an answer that cannot be read." + afterwards(r.change),
			DeveloperMessage: err.Error(), CanRetry: !r.change,
		}
	}
	return nil
}

// lost is the error of a call that got no answer.
func lost(ctx context.Context, err error, doing string, change bool) error {
	if failed, ok := errors.AsType[*tool.Error](err); ok {
		return failed // of the client that carries the token
	}
	kind, what := api.ToolNetworkUnreachable, "Atlassian cannot be reached"
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() || ctx.Err() != nil {
		kind, what = api.ToolNetworkTimeout, "Atlassian did not answer in time"
	}
	return &tool.Error{Kind: kind, Message: what + "." + afterwards(change), DeveloperMessage: doing + ": " + err.Error(), CanRetry: !change}
}

// afterwards warns of doing again what may have been done.
func afterwards(change bool) string {
	if change {
		return " It is not known whether the change was made: look before trying again."
	}
	return " Try again later."
}

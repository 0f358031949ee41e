package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/keybearer/keybearer"
)

// readBody reads the request's body within its bound. An empty one is fine whatever its type is said
// to be: a published client sends application/json on requests without a body.
func (c *call) readBody(into *bytes.Buffer) error {
	if c.req.ContentLength > c.MaxBody {
		return c.tooLarge()
	}
	if _, err := into.ReadFrom(http.MaxBytesReader(c.w, c.req.Body, c.MaxBody)); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return c.tooLarge()
		}
		return keybearer.Errorf(keybearer.BadRequest, "the body ended early: send it again")
	}
	if len(bytes.TrimSpace(into.Bytes())) == 0 {
		into.Reset()
		return nil
	}
	return checkMedia(c.req.Header)
}

func (c *call) tooLarge() error {
	return keybearer.Errorf(keybearer.TooLarge, "the body is larger than %d bytes", c.MaxBody)
}

// checkMedia refuses bodies that say they are something other than JSON.
func checkMedia(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return keybearer.Errorf(keybearer.UnsupportedMedia, "send the body without Content-Encoding")
	}
	sent := h.Get("Content-Type")
	if sent == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(sent)
	json := media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
	if charset := params["charset"]; err != nil || !json || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return keybearer.Errorf(keybearer.UnsupportedMedia, "send JSON with Content-Type: application/json")
	}
	return nil
}

// decode reads a JSON object. Nothing and null stand for the empty object, null members for absent
// ones, and unknown members are ignored; what could be read in two ways is refused.
func decode(body []byte, into any) error {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil
	}
	if !utf8.Valid(body) { // two ids could become one if bad bytes were replaced
		return keybearer.Errorf(keybearer.BadRequest, "the body is not UTF-8")
	}
	if body[0] != '{' && string(body) != "null" {
		return keybearer.Errorf(keybearer.BadRequest, "the body is not a JSON object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return malformed(err)
	}
	if name, found := repeatedName(body); found {
		return keybearer.Errorf(keybearer.BadRequest, "the body has the member %q more than once", clip(name, 40))
	}
	return nil
}

// malformed words what encoding/json found, without repeating values: one of them may be a secret.
func malformed(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		kind, _, _ := strings.Cut(e.Value, " ") // "number 1234" repeats the number
		field := e.Field
		if field == "" {
			field = "the body"
		}
		return keybearer.Errorf(keybearer.BadRequest, "%s cannot be a JSON %s", clip(field, 200), kind)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return keybearer.Errorf(keybearer.BadRequest, "the body is not valid JSON at byte %d", e.Offset)
	}
	return keybearer.Errorf(keybearer.BadRequest, "the body cannot be read: %w", err)
}

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

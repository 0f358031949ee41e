package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strconv"
)

// What an answer can be instead of a document.
var (
	errTooLarge  = errors.New("the answer is larger than 1 MiB")
	errEmpty     = errors.New("the answer is empty")
	errHTML      = errors.New("the answer is HTML")
	errBroken    = errors.New("the answer is broken JSON")
	errNotAnswer = errors.New("the answer is neither JSON nor a form")
)

// decode reads a body as JSON (an object or a list), or as a form if it looks like one, whatever the
// content type says: providers send JSON as text/plain and forms as text/html.
func decode(got answer) (any, error) {
	text := bytes.TrimSpace(bytes.TrimPrefix(got.body, []byte("\xef\xbb\xbf")))
	switch {
	case got.incomplete:
		return nil, errTooLarge
	case len(text) == 0:
		return nil, errEmpty
	case text[0] == '<':
		return nil, errHTML
	case text[0] == '{', text[0] == '[':
		return decodeJSON(text)
	case !bytes.ContainsRune(text, '=') || bytes.ContainsAny(text, "\n<>{}\""):
		return nil, errNotAnswer
	}
	return decodeForm(string(text))
}

func decodeJSON(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return nil, errBroken
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errBroken
	}
	return doc, nil
}

func decodeForm(text string) (any, error) {
	form, err := url.ParseQuery(text)
	if err != nil {
		return nil, errNotAnswer
	}
	doc := make(map[string]any, len(form))
	for name, list := range form {
		doc[name] = list[0]
	}
	return doc, nil
}

// text gives a plain value as text, and nothing for null, lists and objects.
func text(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}

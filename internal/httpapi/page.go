package httpapi

import (
	"net/url"

	"github.com/keybearer/keybearer"
)

// The sizes of a page.
const (
	usualPage   = 25
	largestPage = 100
)

// pageOf reads which page of a list a request asks for.
func pageOf(q url.Values) (limit, offset int, err error) {
	limit, given, err := whole(q, "limit")
	if err != nil {
		return 0, 0, err
	}
	offset, _, err = whole(q, "offset")
	if err != nil {
		return 0, 0, err
	}
	if limit < 0 || offset < 0 {
		return 0, 0, keybearer.Errorf(keybearer.BadRequest, "limit and offset cannot be negative")
	}
	if !given || limit == 0 {
		limit = usualPage
	}
	return min(limit, largestPage), offset, nil
}

// boolean reads an optional truth value of the query. Python's clients write it with a capital.
func boolean(q url.Values, name string) (bool, error) {
	switch q.Get(name) {
	case "", "false", "False":
		return false, nil
	case "true", "True":
		return true, nil
	}
	return false, keybearer.Errorf(keybearer.BadRequest, "the query parameter %s is true or false", name)
}

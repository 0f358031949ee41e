package httpapi

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/keybearer/keybearer"
)

// route is one row of the table.
type route struct {
	method, path string
	// id is the operationId of the OpenAPI document; tag groups routes there.
	id, tag, summary string
	// about says more, for people.
	about string
	// open routes need no API key; admin routes need one of the scope admin, which the View checks.
	open, admin bool
	// once routes heed an Idempotency-Key.
	once bool
	// onceOnly routes are once, and do what must not be done twice: a key that was used there is
	// remembered also where the answer is not kept.
	onceOnly bool
	// confirms marks the routes whose errors the older confirmation clients read, too.
	confirms bool
	query    []param
	// status is the one of success.
	status int
	// fails are the kinds that the verb itself fails with, beside what every route may answer.
	fails []keybearer.Kind
	// also are answers of other statuses that are not errors in the usual shape.
	also map[int]reflect.Type

	// request is nil for routes that take no body, response for those that give none.
	request, response reflect.Type
	do                func(c *call) (any, error)
}

// param is a parameter of the query, for the OpenAPI document.
type param struct {
	name, kind, about string
	required          bool
}

// alias is the path under an organisation and a project, where a published tool server looks for
// everything when it is signed in there. Any names are accepted: one engine is one project.
func (r *route) alias() (string, bool) {
	rest, ok := strings.CutPrefix(r.path, "/v1/")
	return "/v1/orgs/{org}/projects/{project}/" + rest, ok
}

// takes completes a route that takes a body.
func takes[Req, Res any](r route, verb func(c *call, in Req) (Res, error)) route {
	r.request, r.response = reflect.TypeFor[Req](), reflect.TypeFor[Res]()
	r.do = func(c *call) (any, error) {
		var in Req
		if err := decode(c.body, &in); err != nil {
			return nil, err
		}
		return verb(c, in)
	}
	return r.completed()
}

// gives completes a route that takes no body.
func gives[Res any](r route, verb func(c *call) (Res, error)) route {
	r.response = reflect.TypeFor[Res]()
	r.do = func(c *call) (any, error) { return verb(c) }
	return r.completed()
}

// nothing is the answer of routes that give none.
type nothing struct{}

func (r route) completed() route {
	if r.response == reflect.TypeFor[nothing]() {
		r.response, r.status = nil, http.StatusNoContent
	}
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r
}

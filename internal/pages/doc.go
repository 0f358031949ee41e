// Package pages is the HTML door of the engine: what a person's browser sees on the way from an
// app's link through the provider and back.
//
// It owns the hosted pages (start, callback, verification, sign-in, success, failure), their
// cookies, their security headers and their words. It decides nothing about flows: each handler
// reads a request, calls one verb of a [keybearer.Visitor] or of the [keybearer.Broker], and writes
// a page or a redirect. The JSON door is package httpapi; listening, TLS and request logs are the
// business of package engine.
//
// The pages are server-rendered, need no script and fetch nothing from elsewhere. The paths, all
// below the path of the public URL:
//
//	GET      /                                     what this is
//	GET POST /start/{authorization_id}             who asks for what; on to the provider
//	GET POST /api/v1/oauth/{redirect_id}/callback  back from the provider
//	GET POST /api/v1/oauth/callback                the same, shared by all providers
//	GET POST /verify/{flow_id}                     the built-in verifier
//	GET POST /login                                sign in
//	POST     /logout                               sign out
//	GET      /success                              the end of the way
//	GET      /assets/pages.css, /favicon.svg
//
// Everything else is a 404 page, so the handler belongs at "/" of a mux in which the API has its
// own, longer patterns.
package pages

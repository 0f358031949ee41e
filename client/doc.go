// Package client talks to a running engine: it asks for authorizations, waits for them, gets tokens,
// and operates the engine over its admin routes.
//
// It owns the caller's side of the wire of package api: the key, time limits, retries, and errors
// with the kinds of the root package. What the routes do is the engine's business. Apps in other
// languages use the published Arcade clients; this one is for the CLI, for Go programs, and wherever
// a [keybearer.TokenSource] is asked for:
//
//	c, err := client.New("https://keys.example.com", key)
//	a, err := c.Authorize(ctx, keybearer.AuthorizeRequest{ID: "hooli", User: "alice@example.com"})
//	if a.Status == keybearer.AuthorizationPending {
//		fmt.Println("open", a.URL)
//		a, err = c.Wait(ctx, a.ID)
//	}
//	use(a.Token.Access)
package client

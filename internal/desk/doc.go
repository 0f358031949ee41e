// Package desk is one person's own page about their connections, on loopback, for as long as a command serves it:
// what is connected and how it is, what was done with it, and buttons to connect, disconnect and choose a default.
//
// It owns the listener, who may come in, and the pages. What the buttons do is the [Home]'s matter; a login is the
// same one as at the terminal, and the pages on its way are those of packages login and pages. Nothing in here ever
// holds a token: a [Connection] has no place for one.
//
// The paths; all but the first four stand below a word that is drawn at the start, which is the cookie's path, too:
//
//	GET      /enter/{secret}        once: gives the cookie, and goes on to the page
//	GET      /assets/desk.css, /assets/pages.css, /favicon.svg
//	GET      /{word}/               the page
//	GET      /{word}/log            the log, which the page shows in a frame
//	GET POST /{word}/connect/{id}   what a login wants to know, and its beginning
//	GET      /{word}/login          where the login under way is
//	POST     /{word}/cancel         the end of it
//	GET      /{word}/back           back from a login; needs no cookie, and says nothing
//	GET POST /{word}/disconnect/{id}
//	POST     /{word}/default/{id}
package desk

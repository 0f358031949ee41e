// Package atlassian connects to Jira and Confluence, at Atlassian Cloud and on Data Center.
//
// A [Client] is one connection to one product. [New] picks the deployment from what it is given, [Client.Start]
// gives the URL at which a user consents, [Client.Complete] takes what the browser comes back with, and from
// then on [Client.Token] is fresh, and [Client.Do] carries requests to the product's API. Refreshing is the root
// package's work, the wire protocol that of package oauth; where things are kept is a [Store] of two methods.
//
// What is particular about Atlassian is of use without a client, too: which sites a token reaches
// ([ReadSites], [Select], [Compare]), where the gateway is that takes it ([Resolver], [Transport]), which scopes
// to ask for ([ClassicScopes], [CheckScopes], [Operation]), what an answer means ([Explain]), and what is said of
// rates ([ReadRateLimit]). All of that asks nobody by itself and stores nothing.
//
// It offers what AtlassianApiModule of Cortex XSOAR does; docs/atlassian.md lists the differences, and takes a
// newcomer from nothing to a call of each API. Everything is safe for concurrent use.
package atlassian

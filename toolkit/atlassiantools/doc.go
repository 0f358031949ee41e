// Package atlassiantools are tools for Jira and Confluence at Atlassian Cloud, as agents use them: [Jira] and [Confluence].
//
// They are small on purpose: search, read, write, comment, move. A tool takes what a person would say and gives what a model
// needs, as text; rich text is translated both ways, what is long comes in parts, and an error says what to do about it.
// Serving them is the business of package tool, where the token comes from that of its Source or of an engine; the
// gateway, sites and answers of Atlassian are known by package atlassian. docs/toolkit.md is the manual.
//
// The package stands on public packages of this module alone: what it does can be done elsewhere, too.
package atlassiantools

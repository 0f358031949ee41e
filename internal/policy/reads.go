package policy

// reading is an exception from what HTTP says of methods, where an API is known to do otherwise.
type reading struct {
	host  hostPattern
	ends  []string // of the paths
	paths []glob
	// get: at this host even GET writes, and nothing reads but these paths, whatever the method.
	get bool
}

// knownReads are those of the APIs that we know. All else that is posted counts as writing; so does GraphQL, where a
// POST to one path does both.
func knownReads() []reading {
	jira := []string{
		"search", "search/jql", "search/approximate-count", "jql/parse", "jql/match", "jql/autocompletedata",
		"issue/bulkfetch", "changelog/bulkfetch", "comment/list", "worklog/list", "permissions/check", "permissions/project",
	}
	slack := []string{"*.list", "*.info", "*.history", "*.replies", "*.members", "*.get", "search.*", "auth.test", "api.test", "chat.getPermalink"}
	notion := []string{"search", "databases/*/query", "data_sources/*/query"}
	return []reading{
		// Jira, on a site of Cloud or a server of one's own (which may have a context path), and by the gateway.
		posts(anyHost(), jira, "/rest/api/2/", "/rest/api/3/", "/rest/api/latest/", "/*/rest/api/2/", "/*/rest/api/3/", "/*/rest/api/latest/"),
		posts(exactly("api.atlassian.com"), jira, "/ex/jira/*/rest/api/2/", "/ex/jira/*/rest/api/3/", "/ex/jira/*/rest/api/latest/"),
		posts(exactly("api.notion.com"), notion, "/v1/"),
		// Slack takes GET and POST for each of its methods, those that write as well.
		all(exactly("slack.com"), slack, "/api/"),
		all(hostPattern{host{name: "slack.com"}, true}, slack, "/api/"),
	}
}

// posts are paths at a host at which POST reads.
func posts(at hostPattern, ends []string, prefixes ...string) reading {
	x := reading{host: at, ends: ends}
	for _, prefix := range prefixes {
		for _, end := range ends {
			x.paths = append(x.paths, newGlob(prefix+end))
		}
	}
	return x
}

// all are the only paths at a host that read.
func all(at hostPattern, ends []string, prefixes ...string) reading {
	x := posts(at, ends, prefixes...)
	x.get = true
	return x
}

// onlyReads reports whether a request changes nothing at the upstream, as far as HTTP promises and the
// exceptions tell.
func (p *Policy) onlyReads(q *question) bool {
	post := q.method == "POST"
	if q.Upgrade || !post && q.method != "GET" && q.method != "HEAD" && q.method != "OPTIONS" {
		return false
	}
	listed := false
	for i := range p.reads {
		x := &p.reads[i]
		if !post && !x.get || !x.host.fits(&q.host) {
			continue
		}
		ok := x.lists(q.path())
		if x.get && !ok {
			return false
		}
		listed = listed || ok
	}
	return listed || !post
}

// lists reports whether a path is among those that read, in each of its readings.
func (x *reading) lists(path *readings) bool {
	for _, way := range path.ways[:path.count] {
		if !fitsAny(x.paths, way) {
			return false
		}
	}
	return path.fault == ""
}

func anyHost() hostPattern { return hostPattern{below: true} }

func exactly(name string) hostPattern { return hostPattern{host: host{name: name}} }

package child

import (
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// environment makes the child's variables: the parent's without what is stripped, then the proxy, then the
// certificates, then what the caller sets.
func environment(c Config, t trust) []string {
	v := parse(c.Env)
	v.strip(c.Strip)
	if c.Proxy != nil {
		setProxy(v, c)
		t.set(v)
		setJava(v, c, t)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		v.set(name, c.Set[name])
	}
	if c.Dir != "" {
		v.set("PWD", c.Dir) // os.Getwd and shells believe it
	}
	return v.list()
}

// variables keep the order in which they came. Of a name that comes twice the last value counts, as with
// os/exec.
type variables struct {
	names  []string
	values map[string]string
}

func parse(env []string) *variables {
	v := &variables{values: map[string]string{}}
	for _, entry := range env {
		if entry == "" {
			continue
		}
		at := strings.IndexByte(entry[1:], '=') + 1 // Windows has names that begin with it
		if at > 0 {
			v.set(entry[:at], entry[at+1:])
		}
	}
	return v
}

func (v *variables) set(name, value string) {
	name = v.known(name)
	if _, ok := v.values[name]; !ok {
		v.names = append(v.names, name)
	}
	v.values[name] = value
}

func (v *variables) get(name string) string { return v.values[v.known(name)] }

func (v *variables) unset(name string) {
	name = v.known(name)
	delete(v.values, name)
	v.names = slices.DeleteFunc(v.names, func(n string) bool { return n == name })
}

// known gives the name as it is written already: on Windows upper and lower case are the same variable.
func (v *variables) known(name string) string {
	for _, n := range v.names {
		if sameName(n, name) {
			return n
		}
	}
	return name
}

func sameName(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}

func (v *variables) strip(patterns []string) {
	for _, name := range slices.Clone(v.names) {
		if slices.ContainsFunc(patterns, func(p string) bool { return stripped(p, name) }) {
			v.unset(name)
		}
	}
}

func stripped(pattern, name string) bool {
	begin, open := strings.CutSuffix(pattern, "*")
	if open && len(name) >= len(begin) {
		return sameName(begin, name[:len(begin)])
	}
	return sameName(pattern, name)
}

func (v *variables) list() []string {
	env := make([]string, 0, len(v.names))
	for _, name := range v.names {
		env = append(env, name+"="+v.values[name])
	}
	return env
}

// setProxy names the proxy in all the places where programs look. Those that have a setting of their own,
// in a file of the user's, take it before HTTPS_PROXY, but not before their own variable.
func setProxy(v *variables, c Config) {
	proxy := c.Proxy
	if c.Isolate {
		proxy = inside(c.Proxy)
		v.unset("NO_PROXY") // in there nothing is reached directly
		v.unset("no_proxy")
	}
	address := proxy.String()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		v.set(name, address)
		v.set(strings.ToLower(name), address)
	}
	around := noProxy(v, c.Hosts, proxy.Host)
	v.set("NO_PROXY", around)
	v.set("no_proxy", around)
	v.set("NODE_USE_ENV_PROXY", "1")
	for _, name := range []string{"CARGO_HTTP_PROXY", "PIP_PROXY", "npm_config_proxy", "npm_config_https_proxy", "YARN_HTTP_PROXY", "YARN_HTTPS_PROXY"} {
		v.set(name, address)
	}
	v.set("npm_config_noproxy", around)
	for _, name := range []string{"grpc_proxy", "no_grpc_proxy", "NPM_CONFIG_PROXY", "NPM_CONFIG_HTTPS_PROXY", "NPM_CONFIG_NOPROXY"} {
		v.unset(name) // these would win over what was set above
	}
	setGit(v, "http.proxy", address)
	v.set("GIT_HTTP_PROXY_AUTHMETHOD", "basic") // saves a refused request each time
}

// setGit adds a setting to those that git takes from the environment (git-config(1), GIT_CONFIG_COUNT):
// http.proxy in a file wins over HTTPS_PROXY, and they win over files.
func setGit(v *variables, key, value string) {
	n, err := strconv.Atoi(v.get("GIT_CONFIG_COUNT"))
	if err != nil || n < 0 {
		n = 0
	}
	at := strconv.Itoa(n)
	v.set("GIT_CONFIG_KEY_"+at, key)
	v.set("GIT_CONFIG_VALUE_"+at, value)
	v.set("GIT_CONFIG_COUNT", strconv.Itoa(n+1))
}

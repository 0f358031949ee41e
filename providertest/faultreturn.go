package providertest

import (
	"net/http"
	"strings"
)

// Bends of the way back to the client.

// param sets a parameter, to what the tester says if he says something;
// without a value it is removed.
func param(name string, value ...string) after {
	return func(_ *Call, a *Answer, said string) *Answer {
		a.Callback.Params.Del(name)
		if len(value) > 0 {
			a.Callback.Params.Set(name, or(said, value[0]))
		}
		return a
	}
}

func twice(name string) after {
	return func(_ *Call, a *Answer, _ string) *Answer {
		a.Callback.Params.Add(name, "another-"+name)
		return a
	}
}

func codeSuffix(_ *Call, a *Answer, _ string) *Answer {
	a.Callback.Params.Set("code", a.Callback.Params.Get("code")+"#_")
	return a
}

func codeHuge(_ *Call, a *Answer, _ string) *Answer {
	a.Callback.Params.Set("code", strings.Repeat("c", 16<<10))
	return a
}

func extraParams(_ *Call, a *Answer, _ string) *Answer {
	for name, value := range map[string]string{
		"realmId": "1234567890", "scope": "everything", "accounts-server": "https://elsewhere.invalid", "session_state": "x",
	} {
		a.Callback.Params.Set(name, value)
	}
	return a
}

func asFormPost(_ *Call, a *Answer, _ string) *Answer {
	a.Callback.FormPost = true
	return a
}

// comeBack answers an error in place of the code.
func comeBack(code, description string) after {
	return func(_ *Call, a *Answer, _ string) *Answer {
		params := a.Callback.Params
		params.Del("code")
		params.Set("error", code)
		if description != "" {
			params.Set("error_description", description)
		}
		return a
	}
}

func noReturn(*Call, *Answer, string) *Answer {
	return HTML(http.StatusOK, "<!doctype html><html><head><title>Something went wrong</title></head><body><h1>Something went wrong</h1><p>Close this tab and try again.</p></body></html>")
}

package providertest

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
)

const submitScript = "document.forms[0].submit()"

// formPost is OAuth 2.0 Form Post Response Mode: a page whose form submits
// itself, with a button for browsers without scripts. Its only script is
// allowed by its hash.
func formPost(back *Return) *Answer {
	var page strings.Builder
	template.Must(template.New("form_post").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Going back</title>
<form method="post" action="{{.RedirectURI}}">{{range $name, $values := .Params}}{{range $values}}
<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}
<button>Go back to the application</button></form><script>`+submitScript+`</script></html>`)).Execute(&page, back)
	answer := HTML(http.StatusOK, page.String())
	sum := sha256.Sum256([]byte(submitScript))
	return answer.With("Content-Security-Policy",
		"default-src 'none'; script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; base-uri 'none'; frame-ancestors 'none'")
}

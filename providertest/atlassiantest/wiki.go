package atlassiantest

import (
	"slices"
	"strconv"
)

// wikiPage is one page of a Confluence space.
type wikiPage struct {
	ID, Title string
	Body      string // in storage format
	Version   int
}

func wikiPages() []wikiPage {
	return []wikiPage{
		{"98310", "Welcome", "<p>Come in.</p>", 1}, {"98311", "How to pour", "<p>Slowly.</p>", 1}, {"98312", "Cleaning", "<p>Daily.</p>", 1},
	}
}

const (
	wikiSpaceID  = "65537"
	wikiSpaceKey = "TEA"
)

// wiki is what one Confluence holds: a space and its pages.
type wiki struct {
	pages []wikiPage
	born  int
}

// maxPages bounds what clients can create; the oldest go first.
const maxPages = 1000

func newWiki() *wiki { return &wiki{pages: wikiPages(), born: 98312} }

// find looks a page up by id.
func (w *wiki) find(id string) *wikiPage {
	i := slices.IndexFunc(w.pages, func(p wikiPage) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return &w.pages[i]
}

func (w *wiki) add(title, body string) wikiPage {
	w.born++
	made := wikiPage{strconv.Itoa(w.born), title, body, 1}
	if len(w.pages) == maxPages {
		w.pages = slices.Delete(w.pages, 0, 1)
	}
	w.pages = append(w.pages, made)
	return made
}

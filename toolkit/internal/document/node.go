package document

// node is a part of a document that is written here.
type node struct {
	Type    string         `json:"type"`
	Version int            `json:"version,omitempty"` // of the root alone
	Attrs   map[string]any `json:"attrs,omitempty"`
	Content []node         `json:"content,omitempty"`
	Text    string         `json:"text,omitempty"`
	Marks   []mark         `json:"marks,omitempty"`
}

// mark says how a text looks.
type mark struct {
	Type  string         `json:"type"`
	Attrs map[string]any `json:"attrs,omitempty"`
}

func paragraph(content []node) node { return node{Type: "paragraph", Content: content} }

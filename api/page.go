package api

// Page is one page of a list.
type Page[T any] struct {
	// Items is never null.
	Items []T `json:"items"`
	// Limit is the largest number of items that a page of this request may have.
	Limit int `json:"limit" jsonschema:"minimum=0"`
	// Offset is the offset of the request; the next page begins at offset plus the number of items.
	Offset int `json:"offset" jsonschema:"minimum=0"`
	// PageCount is the number of items on this page.
	PageCount int `json:"page_count" jsonschema:"minimum=0"`
	// TotalCount is the number of items on all pages.
	TotalCount int `json:"total_count" jsonschema:"minimum=0"`
}

// NewPage makes a page of a longer list; its items are never null.
func NewPage[T any](items []T, limit, offset, total int) Page[T] {
	if items == nil {
		items = []T{}
	}
	return Page[T]{Items: items, Limit: limit, Offset: offset, PageCount: len(items), TotalCount: total}
}

// WholePage makes the only page of a list that is not paged.
func WholePage[T any](items []T) Page[T] {
	return NewPage(items, len(items), 0, len(items))
}

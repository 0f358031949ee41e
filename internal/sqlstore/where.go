package sqlstore

import (
	"strconv"
	"strings"
)

// where collects conditions and their arguments. Column names are constants of this package; what
// comes from outside is always an argument.
type where struct {
	terms []string
	args  []any
}

// arg adds an argument and gives its placeholder.
func (w *where) arg(value any) string {
	w.args = append(w.args, value)
	return "$" + strconv.Itoa(len(w.args))
}

// compare adds a condition unless the value is empty. The operator is "=", "<" or the like.
func compare[T comparable](w *where, column, operator string, value T) {
	var empty T
	if value != empty {
		w.terms = append(w.terms, column+" "+operator+" "+w.arg(value))
	}
}

func (w *where) sql() (string, []any) {
	if len(w.terms) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(w.terms, " AND "), w.args
}

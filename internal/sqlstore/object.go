package sqlstore

import (
	"encoding/json"
	"fmt"
)

// object is a value as JSON. It must be one that can be written: maps and structs of texts and times.
func object(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("writing a column as JSON: %v", err))
	}
	return string(text)
}

// objectColumn reads JSON back.
type objectColumn struct{ into any }

func (c objectColumn) Scan(src any) error {
	switch src := src.(type) {
	case string:
		return json.Unmarshal([]byte(src), c.into)
	case []byte:
		return json.Unmarshal(src, c.into)
	}
	return fmt.Errorf("reading JSON: %T in place of text", src)
}

package desk

// Touched is how often the person used the desk.
func (d *Desk) Touched() int64 { return d.touched.Load() }

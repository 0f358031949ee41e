package policy

// ReadPath gives the readings of a path, and why it cannot be judged.
func ReadPath(raw string) (ways []string, fault string) {
	r := readPath(raw)
	return r.ways[:r.count], r.fault
}

// ReadHost gives the form in which a host is compared.
func ReadHost(raw string) (name, port string, ok bool) {
	h, ok := readHost(raw)
	return h.name, h.port, ok
}

// FitsPath compares a pattern with a path in its normal form.
func FitsPath(pattern, path string) bool {
	g := newGlob(pattern)
	return g.fits(path)
}

// Buckets is how many a Limiter remembers.
func (l *Limiter) Buckets() int { return len(l.buckets) }

const MaxBuckets = maxBuckets

// KnownReads are the ends of the paths that are known to read.
func KnownReads() []string {
	var ends []string
	for _, x := range knownReads() {
		ends = append(ends, x.ends...)
	}
	return ends
}

package ca

// Kept is how many leaves are remembered.
func Kept(a *Authority) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.leaves)
}

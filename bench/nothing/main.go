// Command nothing does nothing: what starting a Go program costs by itself.
package main

func main() {}

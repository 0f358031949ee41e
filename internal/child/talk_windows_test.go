package child_test

import "sync/atomic"

func listen(*atomic.Int32) {}

func answer(question string) string {
	return "you said " + question
}

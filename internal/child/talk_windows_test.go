package child_test

func listen()                       {}
func answer(question string) string { return "you said " + question }

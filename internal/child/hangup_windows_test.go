package child_test

func heed() {}

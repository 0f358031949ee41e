package vault

// Steps are those of a rekey, in their order.
func Steps() []string {
	return []string{stepNoted, stepStored, stepSwitched, stepResealed, stepForgot}
}

// AtStep calls a function at each step.
func AtStep(cfg *Config, step func(string)) { cfg.step = step }

// PlatformFolder is where a system keeps the data of programs.
func PlatformFolder(system string, env func(string) (string, bool)) (string, error) {
	return platformFolder(system, env)
}

// CheckNote says what is wrong with a vault.json.
func CheckNote(text []byte) error {
	_, err := parseNote(text)
	return err
}

// ParseKey reads a root key and gives its fingerprint.
func ParseKey(text string) (string, error) {
	k, err := parseRootKey(text)
	return k.id, err
}

// NoSessionBus says that a system has no keyring to ask.
func NoSessionBus(system, address, dir string) error { return noSessionBus(system, address, dir) }

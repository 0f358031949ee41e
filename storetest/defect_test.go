package storetest_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/storetest"
)

// defect is the environment variable that makes this test binary examine a store with that defect.
const defect = "KEYBEARER_STORETEST_DEFECT"

// The exam is worth what it notices: for each question there is a store that is right but for one
// thing, made of the Memory store, and that question has to find it. Another process is examined, where
// failing is no failure of this one.
func TestEveryQuestionNoticesADefect(t *testing.T) {
	if of, examined := os.LookupEnv(defect); examined {
		storetest.Run(t, func(*testing.T) storetest.Stores { return storetest.All(defects()[of]()) })
		return
	}
	for _, question := range questions(t) {
		if defects()[question] == nil {
			t.Errorf("no store has a defect that %s should notice", question)
		}
	}
	for question := range defects() {
		t.Run(strings.ReplaceAll(question, "/", " "), func(t *testing.T) {
			wantNoticed(t, "TestEveryQuestionNoticesADefect/"+question, question)
		})
	}
}

// questions are the names of all.
func questions(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryPasses$", "-test.v").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var names []string
	for _, found := range regexp.MustCompile(`--- PASS: TestMemoryPasses/(\S+/\S+)`).FindAllSubmatch(out, -1) {
		names = append(names, string(found[1]))
	}
	if len(names) < 50 {
		t.Fatalf("got %d questions, want them all:\n%s", len(names), out)
	}
	return names
}

// wantNoticed runs one test alone, with a defect, and wants it to fail by itself.
func wantNoticed(t *testing.T, test, of string) {
	t.Helper()
	pattern := "^" + strings.ReplaceAll(test, "/", "$/^") + "$"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+pattern, "-test.count=1", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), defect+"="+of)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--- FAIL: "+test) {
		t.Errorf("got %v, want the defect noticed\n%s", err, out)
	}
	for _, accident := range []string{"panic:", "DATA RACE", "fatal error:"} {
		if strings.Contains(string(out), accident) {
			t.Errorf("got an accident, want a failure that says what is wrong\n%s", out)
		}
	}
}

func TestCrashNoticesDefects(t *testing.T) {
	for name := range fileDefects() {
		t.Run(name, func(t *testing.T) {
			if _, examined := os.LookupEnv(defect); !examined {
				wantNoticed(t, t.Name(), name)
				return
			}
			storetest.Crash(t, 5, (*testing.T).TempDir, func(_ *testing.T, dir string) storetest.Stores {
				return storetest.Stores{Settings: files{dir, fileDefects()[name]}}
			})
		})
	}
}

func TestSoundFilesPassTheCrash(t *testing.T) {
	storetest.Crash(t, 3, (*testing.T).TempDir, func(_ *testing.T, dir string) storetest.Stores {
		return storetest.Stores{Settings: files{dir, writeAndRename}}
	})
}

func TestScaleNoticesAWalkOverAllRows(t *testing.T) {
	if _, examined := os.LookupEnv(defect); !examined {
		wantNoticed(t, t.Name(), "walk")
		return
	}
	storetest.Scale(t, func(*testing.T) storetest.Stores { return storetest.All(&walks{Memory: keybearer.NewMemory()}) }, 20_000)
}

// pause lets others run between a look and an act.
func pause() { <-time.After(time.Millisecond) }

func defects() map[string]func() any {
	memory := keybearer.NewMemory
	return map[string]func() any{
		"Connections/RoundTrip":       func() any { return forgetsReasons{memory()} },
		"Connections/EmptyFields":     func() any { return emptyLists{memory()} },
		"Connections/NotFound":        func() any { return ignoresNames{memory()} },
		"Connections/Versions":        func() any { return ignoresVersions{memory()} },
		"Connections/NotAliased":      func() any { return &shares{Memory: memory()} },
		"Connections/RemadeIsAnother": func() any { return knowsByRef{memory()} },
		"Connections/CreateRace":      func() any { return looksFirst{memory()} },
		"Connections/SwapRace":        func() any { return looksFirst{memory()} },
		"Connections/DeleteByVersion": func() any { return ignoresVersions{memory()} },
		"Connections/DeleteRace":      func() any { return looksFirst{memory()} },
		"Connections/Pages":           func() any { return firstPages{memory()} },
		"Connections/Filters":         func() any { return ignoresLists{memory()} },
		"Connections/ReadsSeeWrites":  func() any { return &staleAfterPut{staleAfterTouch{Memory: memory()}} },

		"Reseal/GrantKeys":     func() any { return firstKeys{memory()} },
		"Reseal/ReplaceGrants": func() any { return replacesAny{memory()} },

		"Upkeep/ClaimsOnlyWhatIsDue":       func() any { return early{memory()} },
		"Upkeep/ClaimChangesThePlanOnly":   func() any { return countsClaims{memory()} },
		"Upkeep/EarliestFirstUpToTheLimit": func() any { return noLimit{memory()} },
		"Upkeep/ClaimedComesAgain":         func() any { return onlyOnce{memory()} },
		"Upkeep/ClaimNotAliased":           func() any { return &shares{Memory: memory()} },
		"Upkeep/PutPlansAnew":              func() any { return keepsPlans{memory()} },
		"Upkeep/DeletedIsNotClaimed":       func() any { return &remembersDeleted{Memory: memory()} },
		"Upkeep/ClaimRace":                 func() any { return &givesTwice{Memory: memory()} },
		"Upkeep/ClaimAgainstPutRace":       func() any { return newPlansLate() },
		"Upkeep/PostponeByVersion":         func() any { return ignoresVersions{memory()} },
		"Upkeep/Touch":                     func() any { return &staleAfterTouch{Memory: memory()} },
		"Upkeep/TouchNeverBackwards":       func() any { return &lastUse{Memory: memory()} },
		"Upkeep/PutKeepsALaterUse":         func() any { return &lastUse{Memory: memory()} },
		"Upkeep/TouchRace":                 func() any { return touchesByRow{memory()} },

		"Workers/RoundTrip":  func() any { return forgetsEnvs{memory()} },
		"Workers/Versions":   func() any { return blindTools{memory()} },
		"Workers/NotAliased": func() any { return &sharesTools{Memory: memory()} },
		"Workers/SwapRace":   func() any { return looksAtToolsFirst{memory()} },
		"Workers/Delete":     func() any { return contentToolDeletes{memory()} },

		"ToolSecrets/RoundTrip":    func() any { return forgetsDescriptions{memory()} },
		"ToolSecrets/Versions":     func() any { return blindTools{memory()} },
		"ToolSecrets/SameNameRace": func() any { return sensitiveToCase{memory()} },
		"ToolSecrets/Touch":        func() any { return touchesAsTold{memory()} },
		"ToolSecrets/Delete":       func() any { return contentToolDeletes{memory()} },

		"Clients/RoundTrip": func() any { return registersTwice{memory()} },
		"Clients/Grants":    func() any { return blindGrants{memory()} },
		"Clients/GrantRace": func() any { return blindGrants{memory()} },

		"Runs/RoundTrip":  func() any { return forgetsCallers{memory()} },
		"Runs/Versions":   func() any { return blindTools{memory()} },
		"Runs/NotAliased": func() any { return &sharesTools{Memory: memory()} },
		"Runs/SwapRace":   func() any { return looksAtToolsFirst{memory()} },
		"Runs/Pages":      func() any { return everybodysRuns{memory()} },
		"Runs/Due":        func() any { return earlyRuns{memory()} },
		"Runs/Keys":       func() any { return firstRunKeys{memory()} },

		"Flows/RoundTrip":                  func() any { return forgetsDryRuns{memory()} },
		"Flows/NotFound":                   func() any { return &unverified{Memory: memory()} },
		"Flows/Advance":                    func() any { return blindFlows{memory()} },
		"Flows/AdvanceRace":                func() any { return looksAtFlowsFirst{memory()} },
		"Flows/NotAliased":                 func() any { return &sharesFlows{Memory: memory()} },
		"Flows/SamePending":                func() any { return ignoresNextURI{memory()} },
		"Flows/OtherIsNotSame":             func() any { return namelessFlows{memory()} },
		"Flows/OverduePendingDoesNotBlock": func() any { return timelessFlows{memory()} },
		"Flows/EndedDoesNotBlock":          func() any { return foreverPending{memory()} },
		"Flows/CreateRace":                 func() any { return &alwaysNew{Memory: memory()} },
		"Flows/CreateRaceOverdue":          func() any { return &alwaysNew{Memory: memory()} },
		"Flows/NextURIRace":                func() any { return nextURIByRow{memory()} },
		"Flows/SameVerificationRace":       func() any { return manyVerifications{memory()} },

		"Attempts/TakenOnce":     func() any { return keepsAttempts{memory()} },
		"Attempts/EmptyFields":   func() any { return emptyVerifiers{memory()} },
		"Attempts/NotAliased":    func() any { return &callersAttempts{Memory: memory()} },
		"Attempts/TakeRace":      func() any { return readsThenTakes{memory()} },
		"Attempts/SameStateRace": func() any { return replacesAttempts{memory()} },
		"Attempts/Bound":         func() any { return &unboundAttempts{Memory: memory()} },
		"Attempts/BoundRace":     func() any { return &unboundAttempts{Memory: memory()} },

		"Providers/RoundTrip":  func() any { return forgetsExternalIDs{memory()} },
		"Providers/Versions":   func() any { return blindProviders{memory()} },
		"Providers/NotAliased": func() any { return &sharesProviders{Memory: memory()} },
		"Providers/SwapRace":   func() any { return looksAtProvidersFirst{memory()} },
		"Providers/Delete":     func() any { return oneProject{memory()} },
		"Providers/DeleteRace": func() any { return contentDeletes{memory()} },

		"Keys/RoundTrip":    func() any { return hidesRevoked{memory()} },
		"Keys/Replace":      func() any { return &oldTexts{Memory: memory()} },
		"Keys/NotAliased":   func() any { return &sharesKeys{Memory: memory()} },
		"Keys/SameTextRace": func() any { return acceptsTwins{memory()} },
		"Keys/ReplaceRace":  func() any { return &oldTexts{Memory: memory()} },

		"Accounts/RoundTrip":          func() any { return forgetsAdmins{memory()} },
		"Accounts/DeleteWithSessions": func() any { return &keepsSessions{Memory: memory()} },
		"Accounts/PutRace":            func() any { return firstCreation{memory()} },
		"Accounts/DeleteRace":         func() any { return contentDeletes{memory()} },

		"Sessions/RoundTrip":  func() any { return firstSession{memory()} },
		"Sessions/PutRace":    func() any { return insertsOnly{memory()} },
		"Sessions/DeleteRace": func() any { return contentDeletes{memory()} },

		"Settings/RoundTrip": func() any { return oneProject{memory()} },
		"Settings/PutRace":   func() any { return insertsOnly{memory()} },

		"Leases/OneHolder":              func() any { return &manyHolders{Memory: memory()} },
		"Leases/Generations":            func() any { return noGenerations{&anyGeneration{Memory: memory()}} },
		"Leases/ExpiresByItself":        func() any { return &forever{Memory: memory()} },
		"Leases/LateReleaseIsHarmless":  func() any { return &anyGeneration{Memory: memory()} },
		"Leases/WaitingEnds":            func() any { return hidesCauses{memory()} },
		"Leases/KeysAreApart":           func() any { return caseless{&forever{Memory: memory()}} },
		"Leases/ExtendedKeepsRivalsOut": func() any { return extendsNothing{memory()} },
		"Leases/ExtendCountsFromNow":    func() any { return onlyLengthens{memory()} },
		"Leases/ExtendAfterAnother":     func() any { return &anyGeneration{Memory: memory()} },
		"Leases/LateExtendIsHarmless":   func() any { return &restarts{Memory: memory()} },
	}
}

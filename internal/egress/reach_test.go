package egress_test

import (
	"net/netip"
	"testing"

	"github.com/keybearer/keybearer/internal/egress"
)

func TestReachesWiden(t *testing.T) {
	for _, c := range []struct {
		address               string
		public, private, open bool
	}{
		{"93.184.215.14:443", true, true, true},
		{"[2606:4700::1111]:443", true, true, true},
		{"10.1.2.3:443", false, true, true},
		{"192.168.1.1:8080", false, true, true},
		{"172.31.0.1:443", false, true, true},
		{"100.64.0.7:443", false, true, true},
		{"[fd12:3456::1]:443", false, true, true},
		{"127.0.0.1:443", false, false, true},
		{"127.1.2.3:22", false, false, true},
		{"[::1]:443", false, false, true},
		{"[::ffff:127.0.0.1]:443", false, false, true},
		{"0.0.0.0:443", false, false, true},
		{"[::]:443", false, false, true},
		{"224.0.0.1:443", false, false, true},
		{"169.254.169.254:80", false, false, false},
		{"[::ffff:169.254.169.254]:80", false, false, false},
		{"[64:ff9b::a9fe:a9fe]:80", false, false, false},
		{"[fe80::1]:80", false, false, false},
		{"[fd00:ec2::254]:80", false, false, false},
		{"100.100.100.200:80", false, false, false},
	} {
		at := netip.MustParseAddrPort(c.address)
		for reach, want := range map[egress.Reach]bool{egress.ReachPublic: c.public, egress.ReachPrivate: c.private, egress.ReachAll: c.open} {
			if got := reach.Check(at) == nil; got != want {
				t.Errorf("%s with reach %d: allowed %v, want %v", c.address, reach, got, want)
			}
		}
	}
}

package api

import (
	"net/netip"
	"testing"
)

func TestClientAddr(t *testing.T) {
	t.Parallel()
	trusted, err := ParseProxies("10.0.0.0/8, 192.0.2.1 ,, 2001:db8::/32")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"198.51.100.1", nil, "198.51.100.1"},
		{"198.51.100.1", []string{"203.0.113.1"}, "198.51.100.1"}, // who is not trusted is not believed
		{"10.1.2.3", nil, "10.1.2.3"},
		{"10.1.2.3", []string{""}, "10.1.2.3"},
		{"10.1.2.3", []string{"203.0.113.1"}, "203.0.113.1"},
		{"10.1.2.3", []string{"203.0.113.1:4711"}, "203.0.113.1"},
		{"10.1.2.3", []string{"203.0.113.9, 203.0.113.1"}, "203.0.113.1"}, // the client can write what it likes to the left
		{"10.1.2.3", []string{"203.0.113.9", "203.0.113.1 , 10.9.9.9,192.0.2.1"}, "203.0.113.1"},
		{"10.1.2.3", []string{"203.0.113.1", "10.9.9.9"}, "203.0.113.1"},
		{"10.1.2.3", []string{"10.0.0.7, 10.9.9.9"}, "10.0.0.7"},
		{"10.1.2.3", []string{"203.0.113.1, unknown, 10.9.9.9"}, "10.9.9.9"},
		{"10.1.2.3", []string{"203.0.113.1,"}, "10.1.2.3"},
		{"2001:db8::1", []string{"[2001:dead::7]:443"}, "2001:dead::7"},
		{"2001:db8::1", []string{"[2001:dead::7]"}, "2001:dead::7"},
		{"2001:db8::1", []string{"2001:dead::7"}, "2001:dead::7"},
		{"10.1.2.3", []string{"::ffff:203.0.113.1"}, "203.0.113.1"},
		{"10.1.2.3", []string{"203.0.113.1, ::ffff:10.9.9.9"}, "203.0.113.1"},
		{"10.1.2.3", []string{"fe80::1%eth0"}, "fe80::1"},
	} {
		var lines [][]byte
		for _, f := range c.forwarded {
			lines = append(lines, []byte(f))
		}
		if got := clientAddr(netip.MustParseAddr(c.peer), lines, trusted); got.String() != c.want {
			t.Errorf("%s by %q is %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
	for addr, want := range map[string]string{"203.0.113.1": "203.0.113.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64"} {
		if got := bucket(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s counts for %s, want %s", addr, got, want)
		}
	}
	for _, bad := range []string{"x", "10.0.0.0/33", "10.0.0", "1.2.3.4,y"} {
		if p, err := ParseProxies(bad); err == nil {
			t.Errorf("%q became %v", bad, p)
		}
	}
}

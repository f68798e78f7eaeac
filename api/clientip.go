package api

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// ParseProxies reads TRUSTED_PROXIES: addresses and networks in CIDR notation, with commas between.
func ParseProxies(list string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		p, err := netip.ParsePrefix(item)
		if err != nil {
			a, err := netip.ParseAddr(item)
			if err != nil {
				return nil, fmt.Errorf("%q is no IP address and no network", item)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes, nil
}

// clientAddr gives the client's address: the peer's, or, while that is a trusted proxy's, the one that it says it forwards
// for, from the last header line's end on. What can't be read ends the search at the proxy that sent it.
func clientAddr(peer netip.Addr, forwarded [][]byte, trusted []netip.Prefix) netip.Addr {
	client := peer
	for _, line := range slices.Backward(forwarded) {
		for rest := line; rest != nil; {
			if !contains(trusted, client) {
				return client
			}
			item := rest
			if comma := bytes.LastIndexByte(rest, ','); comma >= 0 {
				item, rest = rest[comma+1:], rest[:comma]
			} else {
				rest = nil
			}
			a, ok := forwardedAddr(string(bytes.TrimSpace(item)))
			if !ok {
				return client
			}
			client = a
		}
	}
	return client
}

// forwardedAddr reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1]:80.
func forwardedAddr(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap().WithZone(""), err == nil
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func remoteAddr(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// bucket names whom requests are counted for: an IPv4 address or, since one client has all of it, an IPv6 /64.
func bucket(a netip.Addr) string {
	if a.Is6() {
		p, _ := a.Prefix(64) // 64 fits
		return p.String()
	}
	return a.String()
}

package main

import (
	"net"
	"net/netip"

	"chat-system/internal/config"
	"chat-system/internal/monitor"
)

// settings are those that the monitoring page shows.
func settings(command string, environ []string) []monitor.Setting {
	var all []monitor.Setting
	for _, v := range config.Show(command, environ) {
		all = append(all, monitor.Setting(v))
	}
	return all
}

// loopback says whether only this machine reaches an address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && a.IsLoopback())
}

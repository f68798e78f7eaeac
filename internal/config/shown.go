package config

import (
	"net/url"
	"strings"
)

// Shown is a variable as people may see it.
type Shown struct{ Name, Value, Doc string }

// Show gives the variables that a command reads, as the environment has them. Of a secret it says whether it is set; what could
// hold a user's name and password in an address is shown without.
func Show(command string, environ []string) []Shown {
	env := byName(environ)
	var all []Shown
	for _, v := range Variables {
		if !v.For(command) {
			continue
		}
		value, set := env[v.Name]
		switch {
		case v.Secret && (value != "" || env[v.Name+"_FILE"] != ""):
			value = "set, not shown"
		case v.Secret && !set && v.DefaultOf(command) != "":
			value = v.DefaultOf(command)
		case v.Secret:
			value = "not set"
		case !set:
			value = v.DefaultOf(command)
		default:
			value = withoutUser(value)
		}
		all = append(all, Shown{v.Name, value, v.Doc})
	}
	return all
}

func withoutUser(value string) string {
	if !strings.Contains(value, "@") {
		return value
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return "set, not shown"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

package queue

import (
	"crypto/sha1" //nolint:gosec // the name by which Redis knows a script
	_ "embed"
	"encoding/hex"
	"strings"
)

//go:embed accept.lua
var acceptSource string

//go:embed open.lua
var openSource string

//go:embed seed.lua
var seedSource string

//go:embed read.lua
var readSource string

//go:embed clean.lua
var cleanSource string

//go:embed close.lua
var closeSource string

//go:embed backlog.lua
var backlogSource string

type script struct{ source, sha string }

type scripts struct{ accept, open, seed, read, clean, close, backlog script }

// loadScripts takes the scripts as they are or, for an embedded Redis whose Lua knows none, without the shebang line.
func loadScripts(shebang bool) scripts {
	load := func(source string) script {
		if !shebang {
			_, source, _ = strings.Cut(source, "\n")
		}
		sum := sha1.Sum([]byte(source)) //nolint:gosec // as above
		return script{source, hex.EncodeToString(sum[:])}
	}
	return scripts{load(acceptSource), load(openSource), load(seedSource), load(readSource), load(cleanSource), load(closeSource), load(backlogSource)}
}

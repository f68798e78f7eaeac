package monitor

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"path"
	"strings"

	"github.com/valyala/fasthttp"
)

// The charts are drawn by uPlot 1.6.32 (https://github.com/leeoniya/uPlot), unchanged; its licence lies beside it.
//
//go:embed assets
var assetFiles embed.FS

// asset is a file that never changes while the program runs.
type asset struct {
	content     []byte
	contentType string
	tag         string
}

var assets = func() map[string]asset {
	all := map[string]asset{}
	err := fs.WalkDir(assetFiles, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := assetFiles.ReadFile(name)
		sum := sha256.Sum256(content)
		kind := mime.TypeByExtension(path.Ext(name))
		if kind == "" {
			kind = "text/plain; charset=utf-8"
		}
		all[strings.TrimPrefix(name, "assets/")] = asset{content, kind, `"` + hex.EncodeToString(sum[:8]) + `"`}
		return err
	})
	if err != nil {
		panic(err) // it is part of the program
	}
	return all
}()

func (v *visit) asset(name string) {
	a, ok := assets[name]
	if !ok {
		v.answer(fasthttp.StatusNotFound, "text/plain; charset=utf-8", []byte("not found\n"))
		return
	}
	v.set("Cache-Control", "no-cache") // asked for again, and mostly answered by «not modified»: another version may run next
	v.set("ETag", a.tag)
	if string(v.http.Request.Header.Peek("If-None-Match")) == a.tag {
		v.http.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	v.answer(fasthttp.StatusOK, a.contentType, a.content)
}

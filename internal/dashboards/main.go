// Command dashboards writes the chart's dashboards for Grafana, a file each. `go generate` runs it here. test/chart runs every
// expression of the files against a running system.
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
)

//go:generate go run .

const folder = "../../charts/chat-system/dashboards"

// board is one dashboard.
type board struct {
	name, title, about string
	rows               []row
}

type row struct {
	title  string
	panels []panel
}

var boards = []board{overview, queueing, engines, backups}

func main() {
	files, err := render()
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil { //nolint:gosec // a source file
			log.Fatal(err)
		}
	}
}

// render gives the files, by name.
func render() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, b := range boards {
		d, err := b.build()
		if err != nil {
			return nil, err
		}
		text, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return nil, err
		}
		files[b.name+".json"] = append(text, '\n')
	}
	return files, nil
}

// Command modelcheck searches the protocol's model further than the tests do, and prints how what it finds comes about.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"chat-system/internal/model"
)

func main() {
	debug.SetGCPercent(50) // the frontier is most of the memory, and lives long
	names := flag.String("config", "", "configurations with commas between; empty: lists them")
	limit := flag.Int("states", 20_000_000, "states at most")
	without := flag.String("without", "", "rules to take back, with commas between")
	first := flag.Bool("first", false, "end with the first level that has a violation")
	trace := flag.Bool("trace", true, "print the steps to each finding")
	flag.Parse()
	taken, err := model.ParseRules(*without)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if *names == "" {
		list()
		return
	}
	violated := false
	for _, c := range model.Configs() {
		if *names != "all" && !slices.Contains(strings.Split(*names, ","), c.Name) {
			continue
		}
		c.Without = taken
		start := time.Now()
		until := ""
		if *first {
			until = model.Any
		}
		r := model.Search(c, *limit, until)
		passed := time.Since(start).Seconds()
		fmt.Printf("%s: %d states, depth %d, complete %v, %.0f s, %.0f states/s\n",
			c.Name, r.States, r.Depth, r.Complete, passed, float64(r.States)/passed)
		for _, f := range r.Findings {
			violated = violated || f.Violation
			show(r, f, *trace)
		}
	}
	if violated {
		os.Exit(1)
	}
}

func list() {
	fmt.Println("configurations (or all):")
	for _, c := range model.Configs() {
		fmt.Println("  " + c.Name)
	}
	fmt.Println("rules:")
	for _, r := range model.AllRules() {
		fmt.Printf("  %-28s %s\n", r, r.Says())
	}
}

func show(r model.Result, f model.Finding, trace bool) {
	kind := "note"
	if f.Violation {
		kind = "VIOLATION"
	}
	fmt.Printf("  %s, %d states: %s\n", kind, f.States, f.What)
	if !trace {
		return
	}
	for i, line := range r.Trace(f) {
		fmt.Printf("    %2d %s\n", i+1, line)
	}
}

// Command bench measures the service against baselines of the same run: `make bench`. Every figure is a ratio; the two
// sides take turns, and the median of their ratios is what is printed. Engines are real, with AOF always and
// innodb_flush_log_at_trx_commit=1; the load generator runs on the same machine; limits are off.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"
)

type options struct {
	seconds time.Duration
	rounds  int
	scale   int // the cost table's largest number of stored messages, a power of ten
}

// figure is one line of the result.
type figure struct {
	name, against string
	atLeast, aim  string
	measured      string
}

type scenario struct {
	name string
	run  func(b *bench) error
}

var scenarios = []scenario{
	{"post", posts}, {"keys", keys}, {"get", gets}, {"flush", flush}, {"sustained", sustained}, {"search", searches},
	{"local", localMode}, {"memory", memory}, {"redis", redisCosts}, {"backup", backups}, {"scale", scale}, {"metrics", scraped}, {"monitor", watched}, {"traces", traced},
	{"cost/1", costOf(1)}, {"cost/100000", costOf(100_000)},
}

func main() {
	serveBare := flag.String("bare", "", "serve the bare handlers on this address and do nothing else")
	leads := flag.String("lead", "", "flush this shard, such as 0/4, and do nothing else")
	only := flag.String("only", ".", "scenarios to run, a regular expression")
	seconds := flag.Duration("seconds", 5*time.Second, "length of one turn")
	rounds := flag.Int("rounds", 5, "turns of each side")
	scale := flag.Int("scale", 6, "the cost table goes to 10^scale stored messages")
	flag.Parse()
	if *serveBare != "" {
		fmt.Fprintln(os.Stderr, bare(*serveBare))
		os.Exit(1)
	}
	if *leads != "" {
		if err := lead(*leads); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, regexp.MustCompile(*only), options{*seconds, *rounds, *scale}); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only *regexp.Regexp, o options) (err error) {
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	for _, s := range scenarios {
		if only.MatchString(s.name) && ctx.Err() == nil {
			if failed := b.scenario(s); failed != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", s.name, failed))
			}
		}
	}
	b.print(os.Stdout)
	return err
}

// scenario runs one with engines of its own, which end with it.
func (b *bench) scenario(s scenario) error {
	fmt.Printf("\n== %s\n", s.name)
	defer b.cleanup()
	defer func() {
		if p := recover(); p != nil && p != errFatal { //nolint:errorlint // our own value
			panic(p)
		}
	}()
	b.fatal = nil
	err := s.run(b)
	if b.fatal != nil {
		return b.fatal
	}
	return err
}

func median(xs []float64) float64 {
	xs = slices.Clone(xs)
	slices.Sort(xs)
	if len(xs) == 0 {
		return 0
	}
	return xs[len(xs)/2]
}

// turns lets two sides take turns and gives, round by round, what each came to.
func (b *bench) turns(base, ours func() (*load, error)) (bases, all []*load, err error) {
	for i := range b.rounds {
		x, err := base()
		if err != nil {
			return nil, nil, err
		}
		y, err := ours()
		if err != nil {
			return nil, nil, err
		}
		fmt.Printf("   %d: %8.0f/s p99 %-8v against %8.0f/s p99 %-8v ratio %.2f, failed %d\n", i+1,
			y.perSecond(), y.latency.p99(), x.perSecond(), x.latency.p99(), y.perSecond()/x.perSecond(), y.failed)
		bases, all = append(bases, x), append(all, y)
	}
	return bases, all, nil
}

func ratios(bases, all []*load) (rate, p99 float64) {
	var rates, tails []float64
	for i := range all {
		rates = append(rates, all[i].perSecond()/bases[i].perSecond())
		tails = append(tails, float64(all[i].latency.p99())/float64(bases[i].latency.p99()))
	}
	return median(rates), median(tails)
}

func (b *bench) add(f figure) { b.figures = append(b.figures, f) }

// print prints the figures and the table of costs.
func (b *bench) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	if len(b.figures) > 0 {
		_, _ = fmt.Fprintln(w, "\nwhat\tagainst\tat least\taim\tmeasured")
	}
	for _, f := range b.figures {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.name, f.against, f.atLeast, f.aim, f.measured)
	}
	if len(b.costs) > 0 {
		_, _ = fmt.Fprintln(w, "\nµs of processor:\t\ta message accepted\tthe first of a chat\ta row flushed\ta message read\ta page of 50")
		_, _ = fmt.Fprintln(w, "chats\tstored")
	}
	for _, c := range b.costs {
		first := "–"
		if c.chats > 1 {
			first = fmt.Sprintf("%.0f", c.first)
		}
		_, _ = fmt.Fprintf(w, "%d\t%d\t%.0f\t%s\t%.0f\t%.0f\t%.0f\n", c.chats, c.stored, c.accepted, first, c.flushed, c.read, c.page)
	}
	_ = w.Flush()
}

package backup

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var day0 = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) // a Monday

// at makes a verified backup, named by its time.
func at(t time.Time) Manifest {
	verified := t.Add(time.Minute)
	return Manifest{Name: t.UTC().Format("20060102T150405.000Z"), StartedAt: t, VerifiedAt: &verified}
}

// kept lists the names that a plan keeps, sorted.
func kept(ds []Decision) (names []string) {
	for _, d := range ds {
		if d.Keep {
			names = append(names, d.Name)
		}
	}
	slices.Sort(names)
	return names
}

// after applies a plan.
func after(ms []Manifest, p Policy, now time.Time) []Manifest {
	names := kept(Plan(ms, p, now))
	return slices.DeleteFunc(slices.Clone(ms), func(m Manifest) bool { return !slices.Contains(names, m.Name) })
}

func TestPlan(t *testing.T) {
	t.Parallel()
	h := func(n float64) time.Time { return day0.Add(time.Duration(n * float64(time.Hour))) }
	names := func(ms ...Manifest) (ns []string) {
		for _, m := range ms {
			ns = append(ns, m.Name)
		}
		slices.Sort(ns)
		return ns
	}
	unverified := func(t time.Time) Manifest {
		m := at(t)
		m.VerifiedAt = nil
		return m
	}
	failed := func(t time.Time) Manifest {
		m := at(t)
		m.Error, m.Reason = "broken", Corrupt
		return m
	}
	for name, c := range map[string]struct {
		backups []Manifest
		policy  Policy
		now     time.Time
		want    []string
	}{
		"nothing": {nil, Policy{Last: 3}, day0, nil},
		"the newest verified one stays without any rule": {
			[]Manifest{at(h(1)), at(h(2)), at(h(3))}, Policy{}, h(1000), names(at(h(3)))},
		"the last ones": {
			[]Manifest{at(h(1)), at(h(2)), at(h(3))}, Policy{Last: 2}, h(1000), names(at(h(2)), at(h(3)))},
		"the newest of an hour": {
			[]Manifest{at(h(1)), at(h(1.9)), at(h(2)), at(h(2.5))}, Policy{Hourly: 2}, h(3), names(at(h(1.9)), at(h(2.5)))},
		"an hour without one does not count": {
			[]Manifest{at(h(1)), at(h(40))}, Policy{Hourly: 2}, h(41), names(at(h(1)), at(h(40)))},
		"the newest of a day ends at midnight of UTC": {
			[]Manifest{at(h(22).In(time.FixedZone("", 5*3600))), at(h(23.9)), at(h(24))}, Policy{Daily: 2}, h(25), names(at(h(23.9)), at(h(24)))},
		"a week begins on Monday": {
			[]Manifest{at(h(-1)), at(h(0)), at(h(7*24 - 1)), at(h(7 * 24))}, Policy{Weekly: 3}, h(8 * 24), names(at(h(-1)), at(h(7*24-1)), at(h(7*24)))},
		"what is not verified does not count, and stays for a day": {
			[]Manifest{at(h(1)), unverified(h(2)), unverified(h(20))}, Policy{Last: 1}, h(27), names(at(h(1)), unverified(h(20)))},
		"what failed does not count, and stays for a day": {
			[]Manifest{at(h(1)), failed(h(2)), failed(h(20))}, Policy{Last: 1}, h(27), names(at(h(1)), failed(h(20)))},
		"one dated after now does not count": {
			[]Manifest{at(h(1)), at(h(2)), at(h(3000))}, Policy{Last: 1}, h(3), names(at(h(2)), at(h(3000)))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ds := Plan(c.backups, c.policy, c.now)
			if got := kept(ds); !slices.Equal(got, c.want) {
				t.Errorf("keeps %v, want %v", got, c.want)
			}
			for _, d := range ds {
				if d.Why == "" {
					t.Errorf("%s: no reason", d.Name)
				}
			}
		})
	}
}

func TestAPlanSaysWhichRulesKeepABackup(t *testing.T) {
	t.Parallel()
	ds := Plan([]Manifest{at(day0), at(day0.Add(time.Hour))}, Policy{Last: 1, Hourly: 2, Daily: 1}, day0.Add(2*time.Hour))
	if len(ds) != 2 || ds[0].Why != "it is the newest verified one, last 1, hourly 1, daily 1" || ds[1].Why != "hourly 2" {
		t.Fatalf("%+v", ds)
	}
}

// backups of any time and state, of a clock that jumps.
func someBackups(r *rand.Rand, n int) []Manifest {
	var ms []Manifest
	clock := day0
	for i := range n {
		clock = clock.Add(time.Duration(r.Int64N(int64(5 * time.Hour))))
		if r.IntN(20) == 0 { // the clock is set
			clock = clock.Add(time.Duration(r.Int64N(int64(4000*time.Hour))) - 2000*time.Hour)
		}
		m := at(clock)
		m.Name = fmt.Sprintf("%d", i)
		switch r.IntN(10) {
		case 0:
			m.VerifiedAt = nil
		case 1:
			m.Error = "broken"
		}
		ms = append(ms, m)
	}
	return ms
}

func FuzzPlan(f *testing.F) {
	f.Add(uint64(1), uint16(500), uint8(3), uint8(24), uint8(7), uint8(4), int64(500*time.Hour), int64(time.Hour))
	f.Add(uint64(2), uint16(40), uint8(0), uint8(0), uint8(0), uint8(0), int64(0), int64(0))
	f.Add(uint64(3), uint16(500), uint8(1), uint8(0), uint8(2), uint8(9), int64(-time.Hour), int64(9000*time.Hour))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, last, hourly, daily, weekly uint8, at, passed int64) {
		r := rand.New(rand.NewPCG(seed, 0))
		ms := someBackups(r, int(n%600))
		p := Policy{int(last), int(hourly), int(daily), int(weekly)}
		now := day0.Add(time.Duration(at))
		ds := Plan(ms, p, now)
		if len(ds) != len(ms) {
			t.Fatalf("%d decisions for %d backups", len(ds), len(ms))
		}
		r.Shuffle(len(ms), func(i, j int) { ms[i], ms[j] = ms[j], ms[i] })
		left := after(ms, p, now)
		if got := kept(Plan(ms, p, now)); !slices.Equal(got, kept(ds)) {
			t.Fatal("the order of the backups changes the plan")
		}
		if again := after(left, p, now); len(again) != len(left) {
			t.Fatalf("applied again it deletes %d more", len(left)-len(again))
		}
		counted, newest := 0, Manifest{}
		for _, m := range left {
			if m.Verified() && !m.StartedAt.After(now) {
				counted++
			}
		}
		for _, m := range ms {
			if m.Verified() && !m.StartedAt.After(now) && (newest.Name == "" || newestFirst(m, newest) < 0) {
				newest = m
			}
		}
		if most := max(1, p.Last+p.Hourly+p.Daily+p.Weekly); counted > most {
			t.Fatalf("%d verified ones stay, the policy has %d", counted, most)
		}
		if newest.Name != "" && !slices.ContainsFunc(left, func(m Manifest) bool { return m.Name == newest.Name }) {
			t.Fatal("the newest verified one goes")
		}
		if passed >= 0 && passed < int64(100_000*time.Hour) {
			before := kept(ds)
			for _, name := range kept(Plan(ms, p, now.Add(time.Duration(passed)))) {
				if _, was := slices.BinarySearch(before, name); !was {
					t.Fatalf("%s is kept later and not before", name)
				}
			}
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"20261126T010000Z", "a.0", "..", "a/b", "-a", "a.json", "A", "", "a\x00", strings.Repeat("a", 101)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if strings.ContainsAny(name, "/\\\x00 ") || strings.HasPrefix(name, ".") || strings.Contains(name, "..") {
			t.Fatalf("%q is taken for a name", name)
		}
		for _, file := range []string{manifestFile(name), shardFile(name, 0), shardFile(name, 12)} {
			if got := backupOf(file); got != name {
				t.Fatalf("%s is taken for a file of %q", file, got)
			}
		}
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, good := range []string{DefaultName(day0), "a", "0", "before-1.2", "a.json", "a.0.rdb.zst", strings.Repeat("a", 100)} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a..b", "-a", ".a", "a/b", "../a", "A", "ä", "a b", "a\n", strings.Repeat("a", 101)} {
		if err := CheckName(bad); ReasonOf(err) != Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, other := range []string{"x", ".json", "a.rdb.zst", "a.x.rdb.zst", ".unfinished-1", "A.json"} {
		if got := backupOf(other); got != "" {
			t.Errorf("%q is taken for a file of %q", other, got)
		}
	}
}

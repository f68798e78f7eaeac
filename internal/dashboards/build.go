package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

const tag = "chat-system"

// What an expression is written with: {S} or {S,…} picks the release's series, [R] is the window of a rate.
var shorthand = strings.NewReplacer("{S", `{namespace="$namespace",release="$release"`, "[R]", "[$__rate_interval]")

// panel shows some queries, as lines over time, or the last value in large where it is a number.
type panel struct {
	title, about string
	unit         string
	number       bool
	warnAt       float64 // a number is orange from here on; 0: never
	failAt       float64 // red
	least        float64 // below it is red
	nothing      string  // what a number says where there is none
	bound        float64 // of the axis; 0: none
	stacked      bool
	queries      []query
}

type query struct{ expr, legend string }

// number is a panel of one number.
func number(title, about, unit, expr string) panel {
	return panel{title: title, about: about, unit: unit, number: true, nothing: "not known", queries: []query{{expr, ""}}}
}

// warns and fails colour a number from a value on.
func (p panel) warns(at float64) panel { p.warnAt = at; return p }
func (p panel) fails(at float64) panel { p.failAt = at; return p }

// needs colours it below a value.
func (p panel) needs(least float64) panel { p.least = least; return p }

// without says what it means that there is no number.
func (p panel) without(nothing string) panel { p.nothing = nothing; return p }

// lines is a panel of lines over time.
func lines(title, about, unit string, queries ...query) panel {
	return panel{title: title, about: about, unit: unit, queries: queries}
}

// upTo bounds the axis.
func (p panel) upTo(most float64) panel { p.bound = most; return p }

// stack puts the lines on top of one another.
func (p panel) stack() panel { p.stacked = true; return p }

// quantiles are p50 and p99 of a histogram, by further labels.
func quantiles(histogram, selector, by, legend string) []query {
	var qs []query
	for _, q := range []struct{ of, name string }{{"0.5", "p50"}, {"0.99", "p99"}} {
		labels := "le"
		if by != "" {
			labels += ", " + by
		}
		qs = append(qs, query{
			"histogram_quantile(" + q.of + ", sum by (" + labels + ") (rate(" + histogram + "_bucket" + selector + "[R])))",
			strings.TrimSpace(legend + " " + q.name),
		})
	}
	return qs
}

var datasource = common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}

// build makes it in the schema that every Grafana loads from a file; the one that replaces it needs the newest.
func (b board) build() (dashboard.Dashboard, error) { //nolint:staticcheck // as above
	d := dashboard.NewDashboardBuilder("Chat: " + b.title) //nolint:staticcheck // as above
	d.
		Uid("chat-system-"+b.name).Description(b.about).Tags([]string{tag}).
		Refresh("30s").Time("now-1h", "now").Timezone(common.TimeZoneBrowser).Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Chat").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{tag}).IncludeVars(true).KeepTime(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(variable("namespace", "Namespace", "label_values(chat_build_info, namespace)")).
		WithVariable(variable("release", "Release", `label_values(chat_build_info{namespace="$namespace"}, release)`))
	for _, r := range b.rows {
		d.WithRow(dashboard.NewRowBuilder(r.title))
		for _, p := range r.panels {
			if p.number {
				d.WithPanel(p.asNumber())
			} else {
				d.WithPanel(p.asLines())
			}
		}
	}
	return d.Build()
}

func variable(name, label, of string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(datasource).
		Query(dashboard.StringOrMap{Map: map[string]any{"query": of, "refId": name}}).Definition(of).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
}

func (p panel) targets() []cog.Builder[variants.Dataquery] {
	var targets []cog.Builder[variants.Dataquery]
	for i, q := range p.queries {
		t := prometheus.NewDataqueryBuilder().RefId(string(rune('A' + i))).Datasource(datasource).Expr(shorthand.Replace(q.expr))
		if p.number {
			t.Instant()
		} else {
			t.Range().LegendFormat(q.legend)
		}
		targets = append(targets, t)
	}
	return targets
}

func (p panel) asNumber() *stat.PanelBuilder {
	steps := []dashboard.Threshold{{Color: "green"}}
	if p.least != 0 {
		steps = []dashboard.Threshold{{Color: "red"}, {Value: &p.least, Color: "green"}}
	}
	for _, at := range []struct {
		value float64
		color string
	}{{p.warnAt, "orange"}, {p.failAt, "red"}} {
		if at.value != 0 {
			steps = append(steps, dashboard.Threshold{Value: &at.value, Color: at.color})
		}
	}
	return stat.NewPanelBuilder().Title(p.title).Description(p.about).Unit(p.unit).Datasource(datasource).Targets(p.targets()).Height(4).Span(4).
		GraphMode(common.BigValueGraphModeNone).ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		NoValue(p.nothing).Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps))
}

func (p panel) asLines() *timeseries.PanelBuilder {
	b := timeseries.NewPanelBuilder().Title(p.title).Description(p.about).Unit(p.unit).Datasource(datasource).Targets(p.targets()).Height(8).Span(8).
		Min(0).LineWidth(1).FillOpacity(10).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	if p.bound > 0 {
		b.Max(p.bound)
	}
	if p.stacked {
		b.Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal)).FillOpacity(40)
	}
	return b
}

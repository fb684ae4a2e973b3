package admin

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/l4xds/l4xds/internal/status"
	"github.com/l4xds/l4xds/pkg/config"
)

//go:embed page
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"clock": clock,
	"short": short,
}).ParseFS(files, "page/*.html"))

// nodesPerPage is how many Envoys one page lists: a page stays small with ten thousand of them.
const nodesPerPage = 500

// render sends a page as a whole, or an error and nothing of the page.
func (h handler) render(w http.ResponseWriter, name string, data any) {
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, name, data); err != nil {
		h.Log.Error("page cannot be made", "page", name, "error", err)
		http.Error(w, "the page cannot be made; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w) // the client went away, if it fails
}

func style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, "page/style.css")
}

// configPage is the data of config.html.
type configPage struct {
	status.Report
	Text string
}

// statusPage is the data of status.html.
type statusPage struct {
	status.Report
	// Good is whether there is nothing to worry about; Summary says it in words.
	Good    bool
	Summary []string
	// Messages are the messages as the commands print them, empty if there are none.
	Messages string
	// Counts are the numbers of Envoys by state, worst state first.
	Counts []count
	// Listed are the Envoys of this page, worst state first; From and To their numbers, from 1.
	Listed   []status.Node
	From, To int
	// Previous and Next are page numbers, 0 for none.
	Previous, Next int
	// Refusals are those of the listed Envoys.
	Refusals []refusal
	// Withheld are the listeners that some of the listed Envoys are not given.
	Withheld []withheld
}

// withheld is a listener that an Envoy is not given, and why, in words.
type withheld struct {
	Node, Why string
	status.Withheld
}

// whyWithheld are the reasons in words.
var whyWithheld = map[string]string{
	"needs_delta": "It goes through HTTP/3, which is only for Envoys that speak the delta variant of ADS: " +
		"make its bootstrap with --variant delta.",
	"needs_net_raw": "It works with addresses that are not the Envoy's own, for which the kernel asks CAP_NET_RAW or " +
		"CAP_NET_ADMIN: start the Envoy with one of them, and make its bootstrap with --capability net_raw or net_admin.",
}

type count struct {
	State string
	N     int
}

// refusal is one NACK that still stands.
type refusal struct {
	Node, Type string
	status.Nack
}

// ranks order the states for the reader: what needs attention stands first.
var ranks = []string{"rejected", "stale", "pending", "synced"}

func rank(n status.Node) int { return slices.Index(ranks, string(n.State)) }

func newStatusPage(r status.Report, query url.Values) statusPage {
	p := statusPage{Report: r, Counts: counts(r.Nodes), Messages: messageText(r.Config.Messages)}
	p.Good, p.Summary = summary(r, p.Counts)
	nodes := slices.Clone(r.Nodes)
	slices.SortStableFunc(nodes, func(a, b status.Node) int { return cmp.Compare(rank(a), rank(b)) })
	p.list(nodes, query.Get("page"))
	p.Refusals = refusals(p.Listed)
	for _, n := range p.Listed {
		for _, w := range n.Withheld {
			p.Withheld = append(p.Withheld, withheld{n.ID, whyWithheld[w.Reason], w})
		}
	}
	return p
}

// list cuts the asked page out of nodes; what is no page number means the first one.
func (p *statusPage) list(nodes []status.Node, asked string) {
	last := max(1, (len(nodes)+nodesPerPage-1)/nodesPerPage)
	page, _ := strconv.Atoi(asked)
	page = min(max(page, 1), last)
	p.From = min((page-1)*nodesPerPage+1, len(nodes))
	p.To = min(page*nodesPerPage, len(nodes))
	p.Listed = nodes[(page-1)*nodesPerPage : p.To]
	p.Previous = page - 1
	if page < last {
		p.Next = page + 1
	}
}

func counts(nodes []status.Node) []count {
	list := make([]count, len(ranks))
	for i, state := range ranks {
		list[i].State = state
	}
	for _, n := range nodes {
		if i := rank(n); i >= 0 {
			list[i].N++
		}
	}
	return list
}

// summary says in a few sentences whether all is well.
func summary(r status.Report, states []count) (good bool, lines []string) {
	c := r.Config
	good = c.State == status.InForce
	switch {
	case c.LoadedAt == nil:
		lines = append(lines, "No configuration is in force: there has been no good one yet. Envoys get no answer.")
	case good:
		lines = append(lines, fmt.Sprintf("Configuration %s of %s is in force.", short(c.Hash), clock(*c.LoadedAt)))
	default:
		lines = append(lines, fmt.Sprintf("The files were refused as they are now. Configuration %s of %s stays in force.",
			short(c.Hash), clock(*c.LoadedAt)))
	}
	if len(r.Nodes) == 0 {
		return good, append(lines, "No Envoy is connected.")
	}
	lines = append(lines, "Envoys connected: "+strconv.Itoa(len(r.Nodes))+", "+stateWords(states)+".")
	refusing := states[0].N > 0
	lacking := slices.ContainsFunc(r.Nodes, func(n status.Node) bool { return len(n.Withheld) > 0 })
	if lacking {
		lines = append(lines, "Some Envoys are not given all that is for them.")
	}
	return good && !refusing && !lacking, lines
}

// stateWords is "2 rejected, 118 synced".
func stateWords(states []count) string {
	var words []string
	for _, s := range states {
		if s.N > 0 {
			words = append(words, strconv.Itoa(s.N)+" "+s.State)
		}
	}
	return strings.Join(words, ", ")
}

// messageText is the messages just as `l4xds validate` prints them.
func messageText(messages config.Diagnostics) string {
	var text strings.Builder
	_ = messages.WriteText(&text, false) // a builder takes everything
	return text.String()
}

func refusals(nodes []status.Node) []refusal {
	var list []refusal
	for _, n := range nodes {
		for _, t := range []struct {
			name   string
			nacked *status.Nack
		}{
			{"listeners", n.Types.LDS.Nacked},
			{"clusters", n.Types.CDS.Nacked},
			{"endpoints", n.Types.EDS.Nacked},
			{"secrets", n.Types.SDS.Nacked},
			{"routes", n.Types.RDS.Nacked},
		} {
			if t.nacked != nil {
				list = append(list, refusal{Node: n.ID, Type: t.name, Nack: *t.nacked})
			}
		}
	}
	return list
}

// clock is t for a reader: in UTC, as logs of several machines are compared in it.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// short is a hash or version as far as one reads it.
func short(version string) string { return version[:min(len(version), 8)] }

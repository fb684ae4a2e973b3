package config

import (
	"cmp"
	"slices"
	"strings"
)

// exitTargets is `targets` of an exit: what may be asked for, or a table of it with where each goes.
type exitTargets struct {
	list targets
	// table is nil where a list is written.
	table []targetRow
}

// targetRow is one line of the table.
type targetRow struct {
	key     *value
	allowed Allowed
	to      exitTarget
}

func (t *exitTargets) decode(d *decoder, v *value) {
	*t = exitTargets{}
	if v.kind != mapping || len(v.pairs) == 0 {
		t.list.decode(d, v)
		return
	}
	t.table = []targetRow{}
	for _, p := range v.pairs {
		if p.value.null() {
			d.errorf(idNoValue, p.key, "has no value; write where it goes, as a target or requested")
			continue
		}
		allowed, err := parseAllowed(p.key.text)
		if err != nil {
			d.wrong(p.key, err)
			continue
		}
		r := targetRow{key: p.key, allowed: allowed}
		r.to.decode(d, p.value)
		t.table = append(t.table, r)
	}
	slices.SortStableFunc(t.table, func(a, b targetRow) int { return a.allowed.compare(b.allowed) })
}

// compare puts the more specific first: by the host, and by how many ports it is where that is the same.
func (a Allowed) compare(b Allowed) int {
	return cmp.Or(cmp.Compare(a.breadth(), b.breadth()), strings.Compare(a.Host, b.Host), a.Network.Addr().Compare(b.Network.Addr()),
		cmp.Compare(a.ports(), b.ports()), cmp.Compare(a.Port, b.Port))
}

// breadth is how much the host of a stands for, relative to hosts that it meets: 0 for one host.
func (a Allowed) breadth() int {
	const all = 1000 // a name has 253 letters at most
	switch {
	case a.Network.IsValid():
		return all - a.Network.Bits()
	case a.Host == "":
		return all
	case a.Host[0] == '*':
		return all - len(a.Host)
	}
	return 0
}

// ports is how many ports a stands for.
func (a Allowed) ports() int {
	if a.Port == 0 {
		return 1 << 16
	}
	return int(a.Last) - int(a.Port) + 1
}

// rows adds a route for each line of the table, the more specific first.
func (e *far) rows() {
	table := e.form.Targets.table
	for i, row := range table {
		e.checkRow(row, table[:i])
		route := &Route{Name: row.name(), At: e.place(e.path, row.key), RequestMatch: &RequestMatch{Targets: []Allowed{row.allowed}}}
		e.listed = append(e.listed, listedRequest{Route: route, at: row.key})
		e.Listener.Routes = append(e.Listener.Routes, route)
		e.goTo(route, row.to)
	}
}

// name is that of the route which a row stands for: the target, and "*" for any.
func (r targetRow) name() string {
	if r.allowed == (Allowed{}) {
		return "*"
	}
	return r.allowed.String()
}

// checkRow says that a row is there already, or neither within one of those before nor apart from it.
func (e *far) checkRow(row targetRow, before []targetRow) {
	for _, o := range before {
		both, meet := row.allowed.and(o.allowed)
		switch {
		case !meet || row.allowed.anyPort() != o.allowed.anyPort():
		case row.allowed == o.allowed:
			e.errorf(idNameTwice, row.key, "the target stands twice; the first is at %s", o.key.position())
			return
		case both != o.allowed:
			e.errorf(idExclusive, row.key, "has ports in common with %s (%s), and neither is within the other: which is meant there?",
				quote(o.key.text), o.key.position())
			return
		}
	}
	e.checkReached(&RequestMatch{Targets: []Allowed{row.allowed}}, row.key)
}

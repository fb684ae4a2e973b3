package xds

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

// rehearsal is a session whose clock and client the test plays.
type rehearsal struct {
	*testing.T
	session *session
	now     time.Time
	gen     *snapshot.Generation
	last    [snapshot.NumTypes]send
	wake    time.Time
}

func newRehearsal(t *testing.T, v Variant) *rehearsal {
	return &rehearsal{T: t, session: newSession(v, config.Node{ID: "n"}), now: time.Unix(1_700_000_000, 0)}
}

// step lets something happen; the session must answer with want: "cds a b -c", "lds l", ...
func (r *rehearsal) step(ev event, want ...string) {
	r.Helper()
	fx := r.session.step(r.now, ev)
	r.wake = fx.wake
	var got []string
	for _, s := range fx.sends {
		r.last[s.typ] = s
		got = append(got, said(r.T, r.session.variant, s))
	}
	if !slices.Equal(got, want) {
		r.Fatalf("it sends %q, want %q", got, want)
	}
}

// said is what a response says.
func said(t testing.TB, v Variant, s send) string {
	t.Helper()
	response := decode(t, v, s)
	words := []string{s.typ.String()}
	for _, res := range response.resources {
		words = append(words, res.name)
	}
	for _, name := range response.removed {
		words = append(words, "-"+name)
	}
	return strings.Join(words, " ")
}

func (r *rehearsal) publish(w world, want ...string) {
	r.Helper()
	r.gen = w.build(r, r.gen)
	r.step(event{published: r.gen}, want...)
}

func (r *rehearsal) hello(typ snapshot.Type, want ...string) {
	r.Helper()
	r.step(event{request: &request{typ: typ}}, want...)
}

// ack accepts the last response of a type.
func (r *rehearsal) ack(typ snapshot.Type, want ...string) {
	r.Helper()
	version := decode(r, r.session.variant, r.last[typ]).version
	r.step(event{request: &request{typ: typ, nonce: r.last[typ].nonce, version: version}}, want...)
}

// wait lets time pass; the session must have asked to be woken then, and be silent before.
func (r *rehearsal) wait(d time.Duration, want ...string) {
	r.Helper()
	end := r.now.Add(d)
	if r.wake.After(end) || r.wake.IsZero() {
		r.Fatalf("it wants to be woken at %s, not at %s", r.wake, end)
	}
	if r.wake.Before(end) {
		r.now = r.wake
		r.step(event{})
	}
	r.now = end.Add(-time.Millisecond)
	r.step(event{})
	r.now = end
	r.step(event{}, want...)
}

// listening is a world in which each listener names the cluster after it: "l a m b".
func listening(words string) world {
	w := world{listeners: map[string]string{}, clusters: map[string]int64{}}
	fields := strings.Fields(words)
	for i := 0; i < len(fields); i += 2 {
		w.listeners[fields[i]], w.clusters[fields[i+1]] = fields[i+1], 1
	}
	return w
}

// patienceOf is how long a variant waits for an answer to CDS before it sends the next.
func patienceOf(v Variant) time.Duration {
	if v == SotW {
		return sotwPatience
	}
	return deltaPatience
}

// TestListenersWaitForClusters, but not for ever: one endless warming holds every answer back.
func TestListenersWaitForClusters(t *testing.T) {
	for _, v := range []Variant{SotW, Delta} {
		t.Run(string(v), func(t *testing.T) {
			r := newRehearsal(t, v)
			r.publish(listening("l a"))
			r.hello(snapshot.CDS, "cds a")
			r.hello(snapshot.LDS)
			r.wait(listenerPatience, "lds l")
			if got := r.session.state(); got != Pending {
				t.Errorf("with an answer due it is %s", got)
			}
			r.ack(snapshot.LDS)
			r.ack(snapshot.CDS)
			if got := r.session.state(); got != Synced {
				t.Errorf("with all answered it is %s", got)
			}
			if !r.wake.IsZero() {
				t.Errorf("at rest it wants to be woken at %s", r.wake)
			}
		})
	}
}

// TestListenersAlone: who does not want clusters does not wait for them.
func TestListenersAlone(t *testing.T) {
	for _, v := range []Variant{SotW, Delta} {
		r := newRehearsal(t, v)
		r.publish(listening("l a"))
		r.hello(snapshot.LDS, "lds l")
	}
}

// TestClustersWaitForAnswers: the next CDS response may follow one without an answer only after a while, and listeners do
// not overtake it.
func TestClustersWaitForAnswers(t *testing.T) {
	for _, v := range []Variant{SotW, Delta} {
		t.Run(string(v), func(t *testing.T) {
			r := newRehearsal(t, v)
			r.publish(listening("l a"))
			r.hello(snapshot.CDS, "cds a")
			r.publish(listening("l b"))
			r.publish(listening("l c"))
			r.hello(snapshot.LDS)
			next := map[Variant]string{SotW: "cds c", Delta: "cds c -a"}[v]
			r.wait(patienceOf(v), next)
			r.wait(listenerPatience, "lds l")
		})
	}
}

// TestOtherTypesNeverOvertake themselves, however long the answer takes.
func TestOtherTypesNeverOvertake(t *testing.T) {
	r := newRehearsal(t, Delta)
	w := listening("l a")
	r.publish(w)
	r.hello(snapshot.CDS, "cds a")
	r.ack(snapshot.CDS)
	r.step(event{request: &request{typ: snapshot.EDS, subscribe: []string{"a"}}}, "eds a")
	r.hello(snapshot.LDS, "lds l")
	w.endpoints, w.listeners["m"] = map[string]uint32{"a": 1}, "a"
	r.publish(w)
	r.now = r.now.Add(time.Hour)
	r.step(event{})
	r.ack(snapshot.EDS, "eds a")
	r.ack(snapshot.LDS, "lds m")
}

// TestSilentClientIsLetGo once so many CDS responses are without an answer that it must be deaf.
func TestSilentClientIsLetGo(t *testing.T) {
	for _, v := range []Variant{SotW, Delta} {
		t.Run(string(v), func(t *testing.T) {
			r := newRehearsal(t, v)
			r.publish(listening("l a"))
			r.hello(snapshot.CDS, "cds a")
			for i := range maxUnanswered - 1 {
				w := listening("l a")
				w.clusters["a"] += int64(i + 1)
				r.publish(w)
				r.wait(patienceOf(v), "cds a")
			}
			r.publish(listening("l a"))
			r.wait(patienceOf(v))
			if r.session.stopped != "unresponsive" || r.session.state() != Stale {
				t.Errorf("after %d responses it is %s, stopped: %q", maxUnanswered, r.session.state(), r.session.stopped)
			}
		})
	}
}

// TestClustersOfEarlierListenersStay as long as the client does not say which listeners it has; if it never asks for
// listeners, it has none.
func TestClustersOfEarlierListenersStay(t *testing.T) {
	hold := map[string]string{"a": "old", "x": "old"}
	t.Run("it asks for none", func(t *testing.T) {
		r := newRehearsal(t, Delta)
		r.publish(listening("l a"))
		r.step(event{request: &request{typ: snapshot.CDS, initial: hold}}, "cds a")
		r.ack(snapshot.CDS)
		r.wait(claimPatience, "cds -x")
	})
	t.Run("it asks for them", func(t *testing.T) {
		r := newRehearsal(t, Delta)
		r.publish(listening("l a"))
		r.step(event{request: &request{typ: snapshot.CDS, initial: hold}}, "cds a")
		r.ack(snapshot.CDS)
		r.step(event{request: &request{typ: snapshot.LDS, initial: map[string]string{"y": "old"}}}, "lds l -y")
		if !r.wake.IsZero() {
			t.Errorf("it wants to be woken at %s", r.wake)
		}
		r.ack(snapshot.LDS, "cds -x")
	})
}

// TestListenersOfAClientThatWarms: while a cluster warms, an Envoy that comes back does not even ask for clusters.
func TestListenersOfAClientThatWarms(t *testing.T) {
	for _, v := range []Variant{SotW, Delta} {
		t.Run(string(v), func(t *testing.T) {
			r := newRehearsal(t, v)
			r.publish(listening("l a"))
			r.step(event{request: &request{typ: snapshot.LDS, version: "old", initial: map[string]string{"l": "old"}}})
			r.wait(listenerPatience, "lds l")
		})
	}
}

// TestPinnedRefusal: a state-of-the-world Envoy answers only the newest of several responses, with the error of an older
// one. That it says to have the version of the newest tells which it means.
func TestPinnedRefusal(t *testing.T) {
	for _, c := range []struct {
		name    string
		version func(first, second string) string
		refused int64 // the revision that must not come again
	}{
		{"it has the newest", func(_, second string) string { return second }, 1},
		{"it has an older one", func(string, string) string { return "older" }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRehearsal(t, SotW)
			r.publish(listening("l a"))
			r.hello(snapshot.CDS, "cds a")
			first := decode(t, SotW, r.last[snapshot.CDS]).version
			other := listening("l a")
			other.clusters["a"] = 2
			r.publish(other)
			r.wait(sotwPatience, "cds a")
			second := decode(t, SotW, r.last[snapshot.CDS]).version
			refusal := "Error adding/updating cluster(s) a: because"
			r.step(event{request: &request{
				typ: snapshot.CDS, nonce: r.last[snapshot.CDS].nonce, version: c.version(first, second), refusal: &refusal,
			}})
			revisions := map[int64]world{1: listening("l a"), 2: other}
			r.publish(revisions[c.refused])
			if got := r.session.tracks[snapshot.CDS].refusing; !got {
				t.Errorf("revision %d is not held to be refused", c.refused)
			}
		})
	}
}

// TestManyListenersInForce: a client that refuses listener after listener may run any of them. No cluster goes before
// that is settled.
func TestManyListenersInForce(t *testing.T) {
	r := newRehearsal(t, Delta)
	r.publish(listening("l a"))
	r.hello(snapshot.CDS, "cds a")
	r.ack(snapshot.CDS)
	r.hello(snapshot.LDS, "lds l")
	r.ack(snapshot.LDS)
	refusal := "duplicate name" // it does not say whose
	for i := range maxUnanswered + 1 {
		name := fmt.Sprint("b", i)
		r.publish(listening("l "+name), "cds "+name)
		r.ack(snapshot.CDS, "lds l")
		r.step(event{request: &request{typ: snapshot.LDS, nonce: r.last[snapshot.LDS].nonce, refusal: &refusal}})
	}
	if n := len(r.session.inForce); n > maxUnanswered {
		t.Errorf("%d views are in force, at most %d may be", n, maxUnanswered)
	}
	r.publish(listening("l c"), "cds c")
	r.ack(snapshot.CDS, "lds l")
	r.ack(snapshot.LDS, "cds -a -b0 -b1 -b2 -b3 -b4 -b5 -b6 -b7 -b8")
}

// TestSharedAssignment: clusters that wait for one assignment are told it again when any of them changes, or comes. In
// delta Envoy does not ask for it then.
func TestSharedAssignment(t *testing.T) {
	build := func(prev *snapshot.Generation, revisions map[string]int64) *snapshot.Generation {
		shared := world{clusters: map[string]int64{"a": 1}}.resources() // cluster a and its assignment
		l := &translate.Resource{Type: snapshot.LDS.URL(), Name: "l", Msg: &listenerv3.Listener{Name: "l"}}
		l.Refs = []translate.Ref{{Type: snapshot.CDS.URL(), Name: "a"}}
		for name, revision := range revisions {
			shared.List = append(shared.List, &translate.Resource{
				Type: snapshot.CDS.URL(), Name: name,
				Msg:  &clusterv3.Cluster{Name: name, ConnectTimeout: &durationpb.Duration{Seconds: revision}},
				Refs: []translate.Ref{{Type: snapshot.EDS.URL(), Name: "a"}},
			})
			l.Refs = append(l.Refs, translate.Ref{Type: snapshot.CDS.URL(), Name: name})
		}
		shared.List = append(shared.List, l)
		g, err := snapshot.Build(shared, prev)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	r := newRehearsal(t, Delta)
	publish := func(revisions map[string]int64, want ...string) {
		r.gen = build(r.gen, revisions)
		r.step(event{published: r.gen}, want...)
	}
	publish(nil)
	r.hello(snapshot.CDS, "cds a")
	r.ack(snapshot.CDS)
	r.step(event{request: &request{typ: snapshot.EDS, subscribe: []string{"a"}}}, "eds a")
	r.ack(snapshot.EDS)
	publish(map[string]int64{"tunnelled": 1}, "cds tunnelled", "eds a")
	r.ack(snapshot.EDS)
	r.ack(snapshot.CDS)
	publish(map[string]int64{"tunnelled": 2}, "cds tunnelled", "eds a")
}

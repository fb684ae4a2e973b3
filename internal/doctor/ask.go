package doctor

import (
	"errors"
	"time"

	"github.com/l4xds/l4xds/pkg/config"
)

// ask asks one far end for w, and exchanges bytes with what is there. It reports false where the connection itself failed.
func (p *patient) ask(f *farEnd, s speaker, w want) bool {
	if !w.ask.Literal() {
		p.say(Request, skipped("what is asked for depends on the connection: %s", w.ask).but("--target asks for something"))
		return true
	}
	q := w.question()
	ctx, cancel := p.limited()
	defer cancel()
	start := time.Now()
	st, err := s.open(ctx, q)
	if h, is := s.(*http1); is && h.answered(err) {
		p.say(HTTP, ok("HTTP/1.1 is spoken"))
	}
	name := q.String() + " for " + w.String()
	if err != nil {
		said, goOn := p.declined(f, s, q, err)
		said.message = name + ": " + said.message
		p.say(Request, said)
		return goOn
	}
	p.say(Request, ok("%s: accepted in %s", name, span(time.Since(start))))
	ctx, cancel = p.limited() // a step of its own
	defer cancel()
	var r result
	if q.datagrams {
		r = datagrams(ctx, st.link())
	} else {
		r = conversation(ctx, st, greeting(w.sni))
	}
	p.seen[w.String()] = p.seen[w.String()] || r.answers()
	p.say(Exchange, r.told(w.String(), p.isEcho(w.ask), p.Timeout))
	return true
}

// declined says why a question was not answered as it should be, and whether another one can be asked.
func (p *patient) declined(f *farEnd, s speaker, q question, err error) (said word, goOn bool) {
	if no, is := errors.AsType[*refusal](err); is {
		return no.meaning(p.tunnel, q), true
	}
	if w, known := f.alert(err); known {
		return w, false
	}
	switch tcp, is := s.(interface{ spoken() *eavesdropper }); {
	case errors.Is(err, errNoDatagrams) || isExtendedConnectMissing(err):
		return failed("%s", errNoDatagrams).but("the far end has to allow it: an Envoy does as an exit"), true
	case late(err):
		return failed("no answer within %s: it waits for the target, or hangs", p.Timeout).
			but("see whether the far end's machine reaches the target"), true
	case is:
		return p.explain(f, tcp.spoken(), err), false
	}
	return failed("ended the stream: %s", reason(err)).but("see the log of the far end"), true
}

// isEcho reports whether a is the address of a stand-in.
func (p *patient) isEcho(a config.Ask) bool {
	for _, addr := range p.Echo {
		if addr == a.String() {
			return true
		}
	}
	return p.Target == a && len(p.Echo) > 0
}

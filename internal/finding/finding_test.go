package finding

import (
	"bytes"
	"errors"
	"testing"
)

func TestPrinter(t *testing.T) {
	var out bytes.Buffer
	p := NewPrinter(&out)
	p.Under("tunnel hub", "directly")
	p.Say(OK, "TCP connection")
	p.Under("tunnel hub", "directly")
	p.Say(Failed, "refused", "start it", "")
	p.Under("tunnel hub", "near end")
	p.Say(Unsure, "nothing came back")
	p.Under("tunnel lab", "near end")
	p.Say(Skipped, "not here")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	const want = `tunnel hub
  directly
    ok      TCP connection
    failed  refused
            start it
  near end
    unsure  nothing came back
tunnel lab
  near end
    skipped not here
1 ok, 1 unsure, 1 skipped, 1 failed
`
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}
}

// TestPrinterFails: the first error of the writer is that of Close.
func TestPrinterFails(t *testing.T) {
	p := NewPrinter(brokenPipe{})
	p.Say(OK, "unheard")
	if err := p.Close(); !errors.Is(err, errBroken) {
		t.Errorf("Close: %v, want %v", err, errBroken)
	}
}

var errBroken = errors.New("broken pipe")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteJSON(t *testing.T) {
	var out bytes.Buffer
	if err := WriteJSON[Result](&out, true, nil); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"sound\": true,\n  \"findings\": []\n}\n"; out.String() != want {
		t.Errorf("WriteJSON: %q, want %q", out.String(), want)
	}
}

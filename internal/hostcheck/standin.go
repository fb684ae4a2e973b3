package hostcheck

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/l4xds/l4xds/pkg/config"
)

// standIn is a server at some addresses of the stage. It gives back what comes, and tells from whom.
type standIn struct {
	ctx     context.Context //nolint:containedctx // ends with the server
	stop    context.CancelFunc
	closers []io.Closer
	running sync.WaitGroup
	// saw are the addresses of those who came, in their order.
	saw chan netip.AddrPort
}

// standIn makes a server at these addresses, which the stage's server is given.
func (s *stage) standIn(ctx context.Context, p config.Protocol, addresses []netip.AddrPort) (*standIn, error) {
	const enough = 64 // more than one try makes
	in := &standIn{saw: make(chan netip.AddrPort, enough)}
	in.ctx, in.stop = context.WithCancel(ctx)
	err := s.server.do(func() error {
		for _, a := range addresses {
			err := s.run(ctx, "ip", "address", "replace", netip.PrefixFrom(a.Addr(), a.Addr().BitLen()).String(), "dev", "lo", "nodad")
			if err != nil {
				return err
			}
			if err := in.listen(p, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

func (in *standIn) listen(p config.Protocol, at netip.AddrPort) error {
	if p == config.UDP {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return err
		}
		in.closers = append(in.closers, conn)
		in.running.Go(func() { in.answer(conn) })
		return nil
	}
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	in.closers = append(in.closers, listener)
	in.running.Go(func() { in.accept(listener) })
	return nil
}

func (in *standIn) accept(listener *net.TCPListener) {
	for {
		conn, err := listener.AcceptTCP()
		if err != nil {
			return
		}
		in.note(conn.RemoteAddr().(*net.TCPAddr).AddrPort())
		in.running.Go(func() {
			defer context.AfterFunc(in.ctx, func() { _ = conn.Close() })()
			_, _ = io.Copy(conn, conn) // ends when either side does: nobody to tell
			_ = conn.Close()
		})
	}
}

func (in *standIn) answer(conn *net.UDPConn) {
	const largest = 1 << 16
	b := make([]byte, largest)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // an ICMP error of an earlier answer
			continue
		}
		in.note(from)
		_, _ = conn.WriteToUDPAddrPort(b[:n], from)
	}
}

func (in *standIn) note(from netip.AddrPort) {
	select {
	case in.saw <- from:
	default: // more than anybody asks for
	}
}

// first is who came first; false if nobody did.
func (in *standIn) first() (netip.AddrPort, bool) {
	select {
	case from := <-in.saw:
		return from, true
	default:
		return netip.AddrPort{}, false
	}
}

// close stops the server, and closes what is open.
func (in *standIn) close() {
	for _, c := range in.closers {
		_ = c.Close()
	}
	in.stop()
	in.running.Wait()
}

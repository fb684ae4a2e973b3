//go:build e2e && linux

package e2e

import "github.com/l4xds/l4xds/test/netns"

// rules are those that the kit will print.
func (g *gateway) rules(chains string) {
	g.t.Helper()
	g.on(g.net.Host, `
for f in -4 -6; do ip $f rule add fwmark 0x4c lookup 4404; ip $f route add local default dev lo table 4404; done
nft -f - <<'NFT'
table inet l4xds {
  chain output { type route hook output priority mangle; policy accept;
    ct direction original fib saddr type != local ct mark set 0x4c
    ct direction reply ct mark 0x4c meta mark set 0x4c
  }
  chain back { type filter hook prerouting priority mangle - 1; policy accept;
    ct direction reply ct mark 0x4c meta mark set 0x4c accept
  }
  chain input { type filter hook input priority filter; policy accept;
    meta l4proto udp socket transparent 1 ct direction original fib daddr type local udp dport 32768-60999 drop
  }
`+chains+`
}
NFT
`)
}

// on runs a script in a network.
func (g *gateway) on(where *netns.Namespace, script string) {
	g.t.Helper()
	_, err := where.Run(g.ctx, script, "sh", "-eu")
	g.must(err)
}

package kit

import "strings"

// NFT is the nft table as text for `nft -f`, which replaces a former one at one stroke; empty if none is needed.
func (k *Kit) NFT() string {
	chains := k.Chains()
	if len(chains) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(k.RemoveNFT())
	b.WriteString("table inet " + Table + " {\n")
	for i, c := range chains {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString("\t# " + c.Why + "\n\tchain " + c.Name + " {\n\t\t" + c.Hook + "\n")
		why := ""
		for _, r := range c.Rules {
			if r.Why != "" && r.Why != why {
				b.WriteString("\t\t# " + r.Why + "\n")
			}
			why = r.Why
			b.WriteString("\t\t" + r.NFT + "\n")
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// RemoveNFT takes the nft table away, and is content if there is none.
func (k *Kit) RemoveNFT() string {
	return "table inet " + Table + "\ndelete table inet " + Table + "\n"
}

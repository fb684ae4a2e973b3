package kit

import "strings"

// removeTable takes the table away, and is content if there is none.
const removeTable = "table inet " + Table + "\ndelete table inet " + Table + "\n"

// NFT is the nft table as text for `nft -f`. It takes the place of a former one at one stroke; where none is needed it only
// takes that away.
func (k *Kit) NFT() string {
	chains := k.Chains()
	if len(chains) == 0 {
		return removeTable
	}
	var b strings.Builder
	b.WriteString(removeTable + "\ntable inet " + Table + " {\n")
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

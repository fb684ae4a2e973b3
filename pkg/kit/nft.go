package kit

// Chains are the chains of the nft table.
func (k *Kit) Chains() []Chain { return nil }

// NFT is the nft table as text for `nft -f`; empty if none is needed.
func (k *Kit) NFT() string { return "" }

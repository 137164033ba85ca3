"""`inwit demo`: the whole product on real input, in under three minutes."""

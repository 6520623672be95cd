//! An EVM chain in this process, by ordinary JSON-RPC, with test money and the contracts of x402.
//! For tests and the playground; it never holds value.

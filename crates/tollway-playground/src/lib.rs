//! The playground: a funded test wallet, an agent with free and paid tools, everything visible.

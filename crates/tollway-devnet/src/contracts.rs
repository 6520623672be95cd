//! The compiled contracts of `contracts/`, by name.

use std::sync::LazyLock;

use alloy_primitives::Bytes;
use serde::Deserialize;

/// A compiled contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contract {
    /// Test money that answers as USDC does.
    TestUsdc,
    /// The spender of `exact` payments.
    ExactProxy,
    /// The spender of `upto` payments.
    UptoProxy,
    /// A wallet owned by one key; its owner is storage slot 0.
    Wallet,
    /// Makes wallets.
    WalletFactory,
    /// What a key delegates to.
    Delegate,
    /// A token that keeps a hundredth of each transfer.
    FeeToken,
    /// A token that returns false and moves nothing.
    FalseToken,
    /// A token that moves and returns no data.
    SilentToken,
    /// A token that does nothing, and succeeds, where an authorization was used before.
    NoopToken,
    /// A token that moves one unit and logs the whole amount.
    LyingToken,
    /// A token that moves the amount and logs another payee.
    WrongLogToken,
    /// A wallet that burns the gas it is given and calls every signature its own.
    GasBurner,
}

#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytes,
    runtime: Bytes,
}

macro_rules! artifacts {
    ($($contract:ident $file:literal)*) => {
        impl Contract {
            /// Every contract.
            pub const ALL: &[Self] = &[$(Self::$contract),*];

            fn artifact(self) -> &'static Artifact {
                match self {$(
                    Self::$contract => {
                        static ARTIFACT: LazyLock<Artifact> = LazyLock::new(|| {
                            serde_json::from_str(include_str!(concat!("../../../contracts/artifacts/", $file, ".json")))
                                .expect("artifacts are written by the repository's own chore")
                        });
                        &ARTIFACT
                    }
                )*}
            }
        }
    };
}

artifacts! {
    TestUsdc "TestUSDC"
    ExactProxy "X402ExactPermit2Proxy"
    UptoProxy "X402UptoPermit2Proxy"
    Wallet "TestWallet"
    WalletFactory "TestWalletFactory"
    Delegate "TestDelegate"
    FeeToken "FeeToken"
    FalseToken "FalseToken"
    SilentToken "SilentToken"
    NoopToken "NoopToken"
    LyingToken "LyingToken"
    WrongLogToken "WrongLogToken"
    GasBurner "GasBurner"
}

impl Contract {
    /// The code that stands at an address. It has no immutables: it is the same everywhere.
    #[must_use]
    pub fn runtime(self) -> Bytes {
        self.artifact().runtime.clone()
    }

    /// The code that a creating transaction runs, before its arguments.
    #[must_use]
    pub fn bytecode(self) -> Bytes {
        self.artifact().bytecode.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contract_has_code() {
        for contract in Contract::ALL {
            assert!(contract.runtime().len() > 100, "{contract:?}");
            assert!(contract.bytecode().len() > contract.runtime().len(), "{contract:?}");
        }
    }
}

//! The published facilitator of x402-rs (`x402-facilitator-local`, `x402-chain-eip155` 2.0.2) on one chain:
//! `bench-peer RPC_URL`, the key of its signer in `BENCH_PEER_KEY`. It says where it listens, and ends with
//! standard input. `cargo xtask bench` measures ours beside it.

use std::collections::HashMap;
use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use x402_chain_eip155::V2Eip155Exact;
use x402_chain_eip155::chain::config::Eip155ChainConfig;
use x402_chain_eip155::chain::{Eip155ChainProvider, Eip155ChainReference};
use x402_facilitator_local::{FacilitatorLocal, handlers};
use x402_types::chain::{ChainProviderOps as _, ChainRegistry, FromConfig as _};
use x402_types::scheme::{
    SchemeBlueprints, SchemeConfig, SchemeRegistry, X402SchemeFacilitator, X402SchemeFacilitatorBuilder, X402SchemeId,
};

const CHAIN: u64 = 84_532;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let rpc = std::env::args().nth(1).ok_or("bench-peer RPC_URL")?;
    let key = std::env::var("BENCH_PEER_KEY")?;
    let inner = serde_json::from_value(serde_json::json!({"signers": [key], "rpc": [{"http": rpc}]}))?;
    let config = Eip155ChainConfig { chain_reference: Eip155ChainReference::new(CHAIN), inner };
    let provider = Arc::new(Eip155ChainProvider::from_config(&config).await?);
    let chains = ChainRegistry::new(HashMap::from([(provider.chain_id(), provider)]));
    let schemes: Vec<SchemeConfig> =
        serde_json::from_value(serde_json::json!([{"id": "v2-eip155-exact", "chains": format!("eip155:{CHAIN}")}]))?;
    let registry = SchemeRegistry::build(chains, SchemeBlueprints::new().and_register(Exact), &schemes);
    let routes = handlers::routes().with_state(Arc::new(FacilitatorLocal::new(registry)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let ended = async {
        let _ = tokio::io::stdin().read(&mut [0]).await;
    };
    axum::serve(listener, routes).with_graceful_shutdown(ended).await?;
    Ok(())
}

/// Their scheme, built for the provider that the registry lends.
struct Exact;

impl X402SchemeId for Exact {
    fn namespace(&self) -> &str {
        V2Eip155Exact.namespace()
    }

    fn scheme(&self) -> &str {
        V2Eip155Exact.scheme()
    }
}

impl X402SchemeFacilitatorBuilder<&Arc<Eip155ChainProvider>> for Exact {
    fn build(
        &self,
        provider: &Arc<Eip155ChainProvider>,
        config: Option<serde_json::Value>,
    ) -> Result<Box<dyn X402SchemeFacilitator>, Box<dyn Error>> {
        V2Eip155Exact.build(Arc::clone(provider), config)
    }
}

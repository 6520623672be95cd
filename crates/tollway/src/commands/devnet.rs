//! `tollway devnet`: a chain for trials, until ctrl-c.

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use serde_json::{Value, json};
use tollway_devnet::{
    DELEGATE, Devnet, DevnetConfig, EXACT_PROXY, MULTICALL3, Mining, PERMIT2, TEST_ACCOUNTS, TestAccount, UPTO_PROXY,
    USDC, WALLET_FACTORY, alloy_primitives::Address, fund_usdc, genesis, genesis_file,
};

use super::{gateway::stop_signal, now, say, say_json};
use crate::cli::DevnetArgs;

/// What stands where, by the name it is printed under.
const CONTRACTS: [(&str, Address); 7] = [
    ("usdc", USDC),
    ("permit2", PERMIT2),
    ("multicall3", MULTICALL3),
    ("exactProxy", EXACT_PROXY),
    ("uptoProxy", UPTO_PROXY),
    ("walletFactory", WALLET_FACTORY),
    ("delegate", DELEGATE),
];

pub(crate) async fn run(args: DevnetArgs) -> anyhow::Result<ExitCode> {
    if args.print_genesis {
        let mut state = genesis();
        for (account, amount) in args.fund {
            fund_usdc(&mut state, account, amount);
        }
        say_json(&genesis_file(args.chain_id, now(), &state))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mining = args.block_time.map_or(Mining::Instant, |seconds| Mining::Interval(Duration::from_secs(seconds)));
    let config = DevnetConfig {
        listen: args.listen,
        chain_id: args.chain_id,
        mining,
        funded: args.fund,
        ..DevnetConfig::default()
    };
    let stopped = stop_signal();
    let chain = Devnet::start(config).with_context(|| format!("cannot listen on {}", args.listen))?;
    if args.json {
        say_json(&as_json(&chain))?;
    } else {
        announce(&chain);
    }
    stopped.await;
    drop(chain);
    Ok(ExitCode::SUCCESS)
}

fn as_json(chain: &Devnet) -> Value {
    let contracts: serde_json::Map<_, _> =
        CONTRACTS.iter().map(|(name, address)| ((*name).to_owned(), json!(address))).collect();
    let accounts: Vec<_> =
        accounts().map(|account| json!({ "address": account.address, "key": account.key })).collect();
    json!({
        "url": chain.url(),
        "chainId": chain.chain_id(),
        "network": format!("eip155:{}", chain.chain_id()),
        "contracts": contracts,
        "accounts": accounts,
        "faucet": TestAccount::faucet().address,
    })
}

fn announce(chain: &Devnet) {
    say(format_args!("listening on {}", chain.url()));
    say(format_args!("  network        eip155:{}", chain.chain_id()));
    for (name, address) in CONTRACTS {
        say(format_args!("  {name:<14} {address}"));
    }
    say("  TEST ONLY: everybody knows these keys; whatever is sent to them on a real network is lost");
    say("  accounts       10000 ETH and 1000000 USDC each, the first may mint more");
    for account in accounts() {
        say(format_args!("  {}  key {}", account.address, account.key));
    }
}

fn accounts() -> impl Iterator<Item = TestAccount> {
    (0..TEST_ACCOUNTS).map(TestAccount::new)
}

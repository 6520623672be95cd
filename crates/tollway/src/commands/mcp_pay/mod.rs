//! `tollway mcp pay`: stands between an agent and a server of tools that cost, and pays within limits.

mod ask;
mod page;
mod terminal;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderMap, Request, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tollway_core::buyer::Budget;
use tollway_core::buyer::exact::{Ceilings, PayableAsset, Wallet};
use tollway_core::clock::SystemClock;
use tollway_evm::asset::chain_id;
use tollway_evm::client::EvmWallet;
use tollway_http::body::{Body, boxed};
use tollway_http::endpoint::{Answering, Endpoint};
use tollway_http::payer::FileJournal;
use tollway_http::payer::exact::PurseFile;
use tollway_http::server::{ServerOptions, serve};
use tollway_mcp::buyer::{AllowList, Consent, Means, PayHook, Preference, Promiser, Report, ToolPayer, ToolPayerParts};
use tollway_mcp::relay::{ChildUpstream, Door, HttpFront, HttpUpstream, Limits, Relay, Upstream};
use tollway_protocol::{Asset, Scale};
use tollway_signatures::{AgentPolicy, AgentUrl};

pub(crate) use ask::Ask;

use super::buyer::entropy;
use super::gateway::stop_signal;
use super::pay_exact::payable;
use crate::cli::McpPayArgs;
use crate::spending::{By, report};
use crate::{evm, keys};

/// Where MCP is spoken.
const PATH: &str = "/mcp";
/// Characters of a command by which a server is known.
const NAME_MAX: usize = 200;

pub(crate) async fn run(args: McpPayArgs) -> anyhow::Result<ExitCode> {
    let (upstream, server) = upstream(&args)?;
    let payer = ToolPayer::new(parts(&args, server)?);
    let reports = Arc::new(Logs { purse: args.purse.clone(), audit: args.audit.clone() });
    let relay = Relay::new(upstream, Arc::new(PayHook::new(payer, reports)), Limits::default());
    let stopped = stop_signal();
    match args.listen {
        Some(listen) => listening(relay, listen, stopped).await?,
        None => {
            tokio::select! {
                served = relay.serve_pipes(tokio::io::stdin(), tokio::io::stdout()) => {
                    served.context("standard input and output")?;
                }
                () = stopped => {}
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The server, and the name by which its limits count.
fn upstream(args: &McpPayArgs) -> anyhow::Result<(Arc<dyn Upstream>, String)> {
    Ok(match (&args.server.upstream, &args.server.command) {
        (Some(url), _) => {
            let upstream = HttpUpstream::new(url.as_str(), HeaderMap::new()).context("--upstream")?;
            // As the purse names the hosts of pages: one limit for both.
            let host = url.host_str().context("--upstream names no host")?;
            (Arc::new(upstream), url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        }
        (None, Some(line)) => {
            let upstream = ChildUpstream::from_line(line).context("--command")?;
            (Arc::new(upstream), line.trim().chars().take(NAME_MAX).collect())
        }
        (None, None) => anyhow::bail!("either --upstream or --command"),
    })
}

fn parts(args: &McpPayArgs, server: String) -> anyhow::Result<ToolPayerParts> {
    let means = means(args)?;
    anyhow::ensure!(
        means.wallet.is_some() || means.promiser.is_some(),
        "there is nothing to pay with: give --wallet, or --agent and --key"
    );
    let mut assets = payable(&args.networks);
    assets.push(PayableAsset {
        network: args.network.clone(),
        asset: Asset::usd(),
        scale: Scale::MICRO,
        symbol: "USD".to_owned(),
    });
    let purse = PurseFile::open(&args.purse).with_context(|| format!("the purse {}", args.purse.display()))?;
    Ok(ToolPayerParts {
        server,
        means,
        ceilings: Ceilings { per_payment: args.max_price, per_host: args.per_server, per_day: args.per_day, assets },
        session: Budget::new(args.budget, args.max_price),
        purse: Arc::new(purse),
        allowed: AllowList::only(args.allowed.clone()),
        consent: Consent {
            confirm: Some(ask::whoever_is_there(args.ask)),
            unasked: args.yes_up_to,
            within: Duration::from_secs(args.confirm_within),
        },
        preference: Preference { scheme: args.prefer.clone(), network: args.prefer_network.clone() },
        clock: Arc::new(SystemClock),
        entropy: entropy(),
    })
}

fn means(args: &McpPayArgs) -> anyhow::Result<Means> {
    let wallet = if args.wallet.is_some() || args.wallet_key_from_env {
        Some(Arc::new(wallet(args)?) as Arc<dyn Wallet>)
    } else {
        None
    };
    Ok(Means { wallet, promiser: promiser(args)? })
}

fn wallet(args: &McpPayArgs) -> anyhow::Result<EvmWallet> {
    let mut wallet = EvmWallet::new(evm::wallet_key(args.wallet.as_deref(), args.password_file.as_deref())?);
    for (network, url) in &args.rpc {
        let id = chain_id(network).with_context(|| format!("--rpc: {network} is no EVM chain"))?;
        wallet = wallet.asking(id, Arc::new(evm::rpc(network, vec![url.clone()], None)?));
    }
    Ok(wallet)
}

fn promiser(args: &McpPayArgs) -> anyhow::Result<Option<Arc<Promiser>>> {
    let (Some(agent), Some(key)) = (&args.agent, &args.key) else { return Ok(None) };
    let policy = AgentPolicy { allow_loopback_http: true, ..AgentPolicy::default() };
    let agent = AgentUrl::parse(agent, policy).map_err(|refusal| anyhow::anyhow!("--agent `{agent}`: {refusal}"))?;
    let journal = FileJournal::open(&args.audit).with_context(|| format!("the log {}", args.audit.display()))?;
    Ok(Some(Arc::new(Promiser::new(agent, Arc::new(keys::read(key)?), Arc::new(journal)))))
}

async fn listening(relay: Relay, listen: SocketAddr, stopped: impl Future<Output = ()>) -> anyhow::Result<()> {
    // Whoever reaches it spends.
    anyhow::ensure!(listen.ip().is_loopback(), "--listen {listen}: only a loopback address; whoever reaches it spends");
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    super::say(format_args!("listening on http://{}{PATH}", listener.local_addr()?));
    let front: Arc<dyn Endpoint> = Arc::new(Front(HttpFront::new(relay, Door::loopback(), PATH)));
    serve(listener, front, ServerOptions::default(), stopped).await?;
    super::say("stopped");
    Ok(())
}

struct Front(HttpFront);

impl Endpoint for Front {
    fn answer(&self, request: Request<Body>) -> Answering {
        let front = self.0.clone();
        Box::pin(async move { Response::map(front.answer(request).await, boxed) })
    }
}

/// The buyer's own logs.
struct Logs {
    purse: PathBuf,
    audit: PathBuf,
}

impl Report for Logs {
    fn report(&self, by: &str) -> Result<Value, String> {
        let by =
            <By as clap::ValueEnum>::from_str(by, false).map_err(|_| "by server, tool, day or scheme".to_owned())?;
        let told = report(Some(&self.purse), Some(&self.audit), by).map_err(|error| format!("{error:#}"))?;
        serde_json::to_value(told).map_err(|error| error.to_string())
    }
}

//! `tollway mcp sell`: prices for a server of MCP that knows nothing of them.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderMap, Request, Response};
use tokio::net::TcpListener;
use tollway_core::clock::SystemClock;
use tollway_http::body::{Body, boxed};
use tollway_http::endpoint::Endpoint;
use tollway_http::gate::expire_claims;
use tollway_http::server::{ServerOptions, serve_tls};
use tollway_http::tls::Certificate;
use tollway_mcp::relay::{ChildUpstream, Door, HttpFront, HttpUpstream, Limits, Relay, SellHook, Upstream};
use tollway_mcp::seller::ToolSeller;
use tower::Layer as _;

use super::gateway::stop_signal;
use super::say;
use crate::cli::McpSellArgs;
use crate::compose::{self, Shop};
use crate::config::Config;

/// Where MCP is spoken.
const PATH: &str = "/mcp";

pub(crate) async fn run(args: McpSellArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.prices)?;
    let upstream = upstream(&args)?;
    let shop = compose::shop(&config, Arc::new(SystemClock)).await?;
    let relay = Relay::new(upstream, Arc::new(SellHook::new(shop.tools.clone())), Limits::default());
    let mut beside = tokio::task::JoinSet::new();
    beside.spawn(expire_claims(shop.tools.seller().clone()));
    if config.exact.is_some() {
        beside.spawn(resolve(shop.tools.clone()));
    }
    let stopped = stop_signal();
    match args.listen {
        Some(listen) => listening(&config, shop, relay, TcpListener::bind(listen).await?, stopped).await?,
        None => {
            tokio::select! {
                served = relay.serve_pipes(tokio::io::stdin(), tokio::io::stdout()) => served.context("standard input and output")?,
                () = stopped => {}
            }
        }
    }
    beside.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

fn upstream(args: &McpSellArgs) -> anyhow::Result<Arc<dyn Upstream>> {
    Ok(match (&args.upstream, &args.command) {
        (Some(url), None) => Arc::new(HttpUpstream::new(url, HeaderMap::new()).context("--upstream")?),
        (None, Some(line)) => Arc::new(ChildUpstream::from_line(line).context("--command")?),
        _ => anyhow::bail!("either --upstream or --command"),
    })
}

async fn listening(
    config: &Config,
    shop: Shop,
    relay: Relay,
    listener: TcpListener,
    stopped: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut door = Door::loopback();
    for url in &config.public_urls {
        let url: url::Url = url.parse()?;
        door = door.and_host(url.host_str().unwrap_or_default());
    }
    let certificate =
        config.tls.as_ref().map(|tls| Certificate::read(&config.path(&tls.certificate), &config.path(&tls.key)));
    let certificate = certificate.transpose().context("[tls]")?.map(Arc::new);
    let acceptor = certificate.map(Certificate::acceptor).transpose().context("[tls]")?;
    announce(config, &listener, &shop)?;
    let front = Front(HttpFront::new(relay, door, PATH));
    let endpoint: Arc<dyn Endpoint> = Arc::new(shop.gate.layer(front));
    serve_tls(listener, endpoint, ServerOptions::default(), acceptor, stopped).await?;
    say("stopped");
    Ok(())
}

fn announce(config: &Config, listener: &TcpListener, shop: &Shop) -> anyhow::Result<()> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    say(format_args!("listening on {scheme}://{}", listener.local_addr()?));
    for url in &config.public_urls {
        say(format_args!("  MCP        {url}{PATH}"));
    }
    say(format_args!("  seller key {}", shop.tools.seller().key().public().thumbprint()));
    for call in &config.calls {
        say(format_args!("  price      {:<44} {}", call.subject(), call.described(&config.prices)));
    }
    Ok(())
}

/// Payments whose outcome a crash or a lost answer has left open are asked about, at start and again.
async fn resolve(tools: ToolSeller) {
    let mut every = tokio::time::interval(Duration::from_secs(15));
    loop {
        every.tick().await;
        match tools.resolve().await {
            Ok(resolved) => {
                for (id, said) in &resolved.open {
                    tracing::warn!(payment = %id, %said, "a payment is neither paid nor unpaid yet");
                }
            }
            Err(error) => tracing::warn!(%error, "open payments were not looked through"),
        }
    }
}

/// The relay's listener as a service behind the gate, which serves the seller's documents.
#[derive(Clone)]
struct Front(HttpFront);

impl tower::Service<Request<Body>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let front = self.0.clone();
        Box::pin(async move { Ok(front.answer(request).await.map(boxed)) })
    }
}

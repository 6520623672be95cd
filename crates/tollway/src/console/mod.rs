//! `[console]`: the pages for the owner of a gateway, on an address of their own and behind a door.

mod desk;
mod sample;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tollway_core::clock::SystemClock;
use tollway_http::endpoint::Endpoint;
use tollway_http::server::{ServerOptions, serve};
use tollway_pages::assets::Assets;
use tollway_pages::console::{Console, ConsoleBooks, ConsolePages};
use tollway_pages::door::{Door, Entrance, system_random};

use crate::compose::Gateway;
use crate::config::{Config, ConsoleConfig};
use desk::GatewayDesk;

/// A console that listens: where to open it, and what serves it until it is dropped.
pub(crate) struct Listening<F> {
    /// The URL with its token.
    pub(crate) url: String,
    /// Serves.
    pub(crate) serving: F,
}

/// Binds the address of the console.
pub(crate) async fn listen(
    console: &ConsoleConfig,
    config: Arc<Config>,
    gateway: Arc<Gateway>,
) -> anyhow::Result<Listening<impl Future<Output = std::io::Result<()>> + Send + use<>>> {
    let books = Arc::clone(&gateway.books) as Arc<dyn ConsoleBooks>;
    let desk = Arc::new(GatewayDesk::new(gateway, config)?);
    let console_pages = Arc::new(Console::new(books, desk, Arc::new(SystemClock)));
    let (listener, door) = door(console.listen, &console.hosts).await.context("[console]")?;
    let url = door.url();
    let entrance = Entrance::new(door, Console::assets(), Arc::new(ConsolePages(Arc::clone(&console_pages))));
    let serving = async move {
        tokio::select! {
            () = console_pages.keep() => Ok(()),
            ended = serve(listener, Arc::new(entrance) as Arc<dyn Endpoint>, options(), std::future::pending()) => ended,
        }
    };
    Ok(Listening { url, serving })
}

/// A bound address and its door.
pub(crate) async fn door(listen: SocketAddr, hosts: &[String]) -> anyhow::Result<(TcpListener, Arc<Door>)> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let door = Door::new(listener.local_addr()?, hosts, system_random());
    Ok((listener, Arc::new(door)))
}

/// Serves pages of a command beside it, until what comes back is dropped, and says where.
pub(crate) async fn show(listen: SocketAddr, assets: Assets, pages: Arc<dyn Endpoint>) -> anyhow::Result<JoinSet<()>> {
    let (listener, door) = door(listen, &[]).await.context("--ui")?;
    // A command's result alone belongs on standard output.
    eprintln!("watch at {}", door.url());
    let entrance = Entrance::new(door, assets, pages);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        if let Err(error) = serve(listener, Arc::new(entrance), options(), std::future::pending()).await {
            eprintln!("the page ended: {error}");
        }
    });
    Ok(serving)
}

/// A few browsers, not the public.
pub(crate) fn options() -> ServerOptions {
    ServerOptions { connections_max: 128, ..ServerOptions::default() }
}

//! The stage: files on disk, the crawler's directory and the gateway, each on a loopback port.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use include_dir::{Dir, include_dir};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tollway_core::clock::SystemClock;
use tollway_http::endpoint::Endpoint;
use tollway_http::server::{ServerOptions, serve};
use tollway_signatures::PublicKey;

use crate::cli::DemoArgs;
use crate::commands::keys::endpoint;
use crate::compose;
use crate::config::Config;
use crate::keys;
use crate::money::dollars;

static SITE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/site");
static TERMS: &str = include_str!("../../site-terms/terms.md");

/// Marks a folder as one that a demo made and may make anew.
const MARKER: &str = ".tollway-demo";

/// Everything that runs, and where it is.
pub(crate) struct Stage {
    pub(crate) dir: PathBuf,
    pub(crate) site: PathBuf,
    /// The gateway's origin.
    pub(crate) seller: String,
    /// The crawler's directory.
    pub(crate) agent: String,
    pub(crate) config: Config,
    pub(crate) seller_key: PublicKey,
    pub(crate) crawler_key: PublicKey,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
}

/// Writes the files and starts the servers.
pub(crate) async fn build(args: &DemoArgs) -> anyhow::Result<Stage> {
    let dir = fresh_folder(&args.dir)?;
    let site = match &args.site {
        Some(site) => std::fs::canonicalize(site).with_context(|| format!("the site {}", site.display()))?,
        None => {
            let site = dir.join("site");
            write_site(&site)?;
            site
        }
    };
    ensure!(site.join("index.html").is_file(), "{} has no index.html to begin at", site.display());
    let seller_key = keys::create(&dir.join("seller.jwk"))?.public();
    let crawler = keys::create(&dir.join("crawler.jwk"))?;
    let crawler_key = crawler.public();
    let (gateway_port, seller) = listener().await?;
    let (directory_port, agent) = listener().await?;
    let config = write_config(&dir, args, &site, &seller)?;
    let gateway = compose::gateway(&config, Arc::new(SystemClock)).await?;
    let (stop, stopped) = watch::channel(false);
    let servers = vec![
        start(gateway_port, gateway.endpoint, stopped.clone()),
        start(directory_port, endpoint(vec![crawler], agent.parse()?), stopped),
    ];
    Ok(Stage { dir, site, seller, agent, config, seller_key, crawler_key, stop, servers })
}

impl Stage {
    /// Stops the servers; open requests finish.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        for server in self.servers {
            match server.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => eprintln!("a server ended badly: {error}"),
                Err(error) => eprintln!("a server broke off: {error}"),
            }
        }
    }

    /// A file of this demo.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Writes the built-in site into a folder, which is made.
pub(crate) fn write_site(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    SITE.extract(folder).context("cannot write the site")
}

fn fresh_folder(dir: &Path) -> anyhow::Result<PathBuf> {
    if dir.join(MARKER).is_file() {
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot clear {}", dir.display()))?;
    } else if dir.exists() && std::fs::read_dir(dir)?.next().is_some() {
        bail!("{} is not empty and was not made by a demo; name another folder with --dir", dir.display());
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    std::fs::write(dir.join(MARKER), "made by `tollway demo`, which may clear this folder\n")?;
    Ok(std::fs::canonicalize(dir)?)
}

async fn listener() -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port on this machine")?;
    let origin = format!("http://{}", listener.local_addr()?);
    Ok((listener, origin))
}

fn start(
    listener: TcpListener,
    endpoint: Arc<dyn Endpoint>,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<std::io::Result<()>> {
    let options = ServerOptions { drain_wait: std::time::Duration::from_secs(1), ..ServerOptions::default() };
    tokio::spawn(serve(listener, endpoint, options, async move {
        // The sender is gone only when the program ends.
        let _ended = stopped.changed().await;
    }))
}

/// A real configuration, as anyone would write it; it stays in the folder to be looked at.
fn write_config(dir: &Path, args: &DemoArgs, site: &Path, seller: &str) -> anyhow::Result<Config> {
    std::fs::write(dir.join("terms.md"), TERMS)?;
    let (price, credit) = (dollars(args.price), dollars(args.budget));
    let paths = if args.site.is_none() { ["/articles/*"].as_slice() } else { &["*.html", "*.htm"] };
    let rules: String = paths
        .iter()
        .enumerate()
        .map(|(number, path)| {
            format!(
                "\n[[rules]]\nid = \"pages{}\"\npath = \"{path}\"\nmethods = [\"GET\"]\naudience = \"signed\"\naction = \"charge\"\nprice = \"{price}\"\nterms = \"terms.md\"\n",
                if number == 0 { String::new() } else { format!("-{}", number + 1) }
            )
        })
        .collect();
    let text = format!(
        "# Written by `tollway demo`. The same file works with `tollway gateway`, `agents` and `ledger`.\n\
         public_urls = [\"{seller}\"]\nlisten = \"{}\"\nfree = [\"/\", \"/index.html\"]\n\n\
         [origin]\nfolder = {}\n\n[seller]\nkey = \"seller.jwk\"\n\n[books]\npath = \"books.db\"\n\n\
         [agents]\nallow_loopback = true          # a trial on one machine\nstarter_credit = \"{credit}\"\n{rules}",
        seller.trim_start_matches("http://"),
        serde_json::to_string(site)?,
    );
    let path = dir.join("tollway.toml");
    std::fs::write(&path, text)?;
    Config::read(&path)
}

//! The page: what a person sees and says, behind the door of all local pages.

mod job;
mod routes;
mod state;
mod tabs;
mod view;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tollway_http::server::{ServerOptions, serve};
use tollway_pages::assets::{Assets, Source};
use tollway_pages::door::{Door, Entrance, system_random};

use crate::agent::{Agent, AgentError};
use crate::planner::LlmOptions;
use crate::stage::{Stage, StageError};
use crate::trace::Timeline;
use routes::Routes;
use tabs::Tabs;

/// The page's own style and scripts.
const ASSETS: &[Source] = &[
    ("playground.css", include_str!("assets/playground.css")),
    ("playground.js", include_str!("assets/playground.js")),
    ("cards.js", include_str!("assets/cards.js")),
    ("timeline.js", include_str!("assets/timeline.js")),
];
/// How long a payment waits for a yes.
const CONFIRM_WAIT: Duration = Duration::from_secs(60);

/// What a playground is made of.
pub struct PlaygroundOptions {
    /// Where the page is; everything else takes loopback ports of its own.
    pub listen: SocketAddr,
    /// The folder of pages that the site sells.
    pub site: PathBuf,
    /// A language model as planner, where one is wanted.
    pub llm: Option<LlmOptions>,
}

/// Why there is no playground.
#[derive(Debug, thiserror::Error)]
pub enum PlaygroundError {
    /// The page's own address.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The stage.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The agent.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// A playground that runs.
pub struct Playground {
    agent: Arc<Agent>,
    tabs: Arc<Tabs>,
    listener: TcpListener,
    entrance: Entrance,
    url: String,
    model: Option<String>,
}

impl Playground {
    /// Starts the stage and the agent; the page is served by [`Playground::serve`].
    ///
    /// # Errors
    /// [`PlaygroundError`].
    pub async fn start(options: PlaygroundOptions) -> Result<Self, PlaygroundError> {
        let PlaygroundOptions { listen, site, llm } = options;
        let bound = TcpListener::bind(listen).await;
        let listener = bound.map_err(|error| PlaygroundError::Listen { address: listen, error })?;
        let address = listener.local_addr().map_err(|error| PlaygroundError::Listen { address: listen, error })?;
        let timeline = Timeline::new(Arc::new(millis));
        let stage = Arc::new(Stage::start(&site, &timeline).await?);
        let tabs = Arc::new(Tabs::default());
        let agent = Arc::new(Agent::new(stage, timeline, tabs.voice(), CONFIRM_WAIT)?);
        agent.discover().await?;
        let model = llm.as_ref().map(|llm| llm.model.clone());
        let door = Arc::new(Door::new(address, &[], system_random()));
        let url = door.url();
        let routes = Routes::new(Arc::clone(&agent), Arc::clone(&tabs), llm);
        let entrance = Entrance::new(door, Assets::new(ASSETS), Arc::new(routes));
        Ok(Self { agent, tabs, listener, entrance, url, model })
    }

    /// The URL to open, with its token.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Who plans: the model's name, or `None` for the built-in planner.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The agent.
    pub fn agent(&self) -> &Arc<Agent> {
        &self.agent
    }

    /// Serves the page until `stop` ends, then ends the stage.
    ///
    /// # Errors
    /// When the page's listener cannot be used.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        let Self { agent, tabs, listener, entrance, .. } = self;
        let telling = tokio::spawn(state::keep_telling(Arc::clone(&agent), Arc::clone(&tabs)));
        let closing = Arc::clone(&tabs);
        let stop = async move {
            stop.await;
            // Live answers never end by themselves.
            closing.close();
        };
        let options = ServerOptions { drain_wait: Duration::from_secs(2), ..ServerOptions::default() };
        let served = serve(listener, Arc::new(entrance), options, stop).await;
        telling.abort();
        drop(tabs);
        agent.stage().stop();
        served
    }
}

/// Milliseconds since 1970.
fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

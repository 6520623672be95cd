//! Who is asked before a payment where the agent's client cannot ask: whoever sits at the terminal, else whoever opens a
//! local page.

use std::sync::Arc;

use async_trait::async_trait;
use clap::ValueEnum;
use tollway_mcp::buyer::{Confirm, Decision, Question};

use super::page::Page;
use super::terminal::Terminal;

/// Where a person is asked, when the agent's client cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Ask {
    /// On the terminal that this program was started from, else on a page.
    #[default]
    Auto,
    /// On the terminal only.
    Terminal,
    /// On a page at a loopback address only; its URL is printed to standard error.
    Page,
    /// Nowhere: what is not paid unasked is not paid.
    Nobody,
}

/// Whoever is there, tried in order.
pub(super) fn whoever_is_there(ask: Ask) -> Arc<dyn Confirm> {
    let terminal = matches!(ask, Ask::Auto | Ask::Terminal).then_some(Terminal);
    let page = matches!(ask, Ask::Auto | Ask::Page).then(Page::default);
    Arc::new(Whoever { terminal, page })
}

struct Whoever {
    terminal: Option<Terminal>,
    page: Option<Page>,
}

#[async_trait]
impl Confirm for Whoever {
    async fn confirm(&self, question: Question) -> Decision {
        if let Some(terminal) = &self.terminal {
            let decision = terminal.confirm(question.clone()).await;
            if decision != Decision::NobodyThere {
                return decision;
            }
        }
        match &self.page {
            Some(page) => page.confirm(question).await,
            None => Decision::NobodyThere,
        }
    }
}

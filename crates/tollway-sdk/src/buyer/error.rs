//! What can be wrong with a client, and with one request.

use std::path::PathBuf;

use tollway_http::key_file::KeyFileError;
use tollway_http::payer::PayFailure;
use tollway_protocol::Refusal;

use crate::money::MoneyError;

/// Why there is no client. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The agent's URL is none.
    #[error("`{url}` is not a signature agent such as https://crawler.example: {refusal}")]
    Agent {
        /// As written.
        url: String,
        /// What is wrong.
        refusal: Refusal,
    },
    /// A sum of money is none.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The journal cannot be written, or does not read back.
    #[error("the journal {}: {error}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another client writes this journal: two budgets would each count the money of one.
    #[error("the journal {} is another client's at the moment: give each client its own", .0.display())]
    JournalInUse(PathBuf),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The request cannot be sent as it is written; nothing was sent.
    #[error("the request: {0}")]
    Request(String),
    /// It was refused, was too dear, or its answer was lost; [`PayFailure::charged`] says what it cost all the same.
    #[error(transparent)]
    Pay(Box<PayFailure>),
}

impl From<PayFailure> for SendError {
    fn from(failure: PayFailure) -> Self {
        Self::Pay(Box::new(failure))
    }
}

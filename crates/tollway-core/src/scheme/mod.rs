//! Ways to pay. Each scheme folder has the same rooms: `payload` (what travels), `seller` (match
//! and verify), `client` (choose and sign). `cash` is a toy that shows how a kind of `exact` is written.

pub mod cash;
pub mod deferred;
pub mod exact;

//! Ways to pay. Each scheme folder has the same rooms: `payload` (what travels), `seller` (match
//! and verify), `client` (choose and sign).

pub mod deferred;

//! Whole crawls of a site in memory, under a paused clock.

mod hosts;
mod money;
mod order;
mod politeness;
mod resume;
mod site;
mod sitemaps;

//! x402 over the Model Context Protocol: sell a tool, pay for a tool, stand between both.

pub mod relay;

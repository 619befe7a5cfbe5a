//! The places that Landfall deploys to, a folder each. So far one: `host`, a machine that runs the agent.

pub mod host;

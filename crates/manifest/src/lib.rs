//! Text of landfall.toml to Resolved, with every problem at once and a JSON Schema.

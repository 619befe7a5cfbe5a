//! Text of `landfall.toml` to `Resolved`, with every problem at once, each under the user's own line.
//!
//! Stages, each its own module: the text becomes a tree that knows its places (`tree`); the tree is held against the
//! language (`check`, `keys`); the environment is laid over it (`merge`, `environment`, `front`, `tls`); services are read
//! and their rules checked (`service`, `rules`, `parts`, `releasing`, `http`); addresses are given out (`routes`); references are resolved
//! (`references`) and make the order (`order`). No I/O but in `init`: what must be known of the machine is asked
//! through `Context`.

mod check;
mod composed;
mod container;
mod environment;
mod forms;
mod front;
mod http;
pub mod init;
mod keys;
mod later;
mod load;
mod measure;
mod merge;
mod order;
mod parts;
mod references;
mod releasing;
mod report;
mod routes;
mod rules;
mod scan;
mod schema;
mod service;
mod shape;
mod suggest;
mod tls;
mod tree;

pub use load::{Context, Loaded, app_name, environments, load};
pub use schema::schema;
pub use suggest::nearest;

//! The resident of a host: its API, its runtimes, its state.

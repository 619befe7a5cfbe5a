//! The places a release can go to, a folder each: the host, a client of its agent.

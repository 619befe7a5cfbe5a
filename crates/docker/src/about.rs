//! What an engine says of itself.

/// What an engine is and can do, as it said when it was connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Where it was reached: `unix:///var/run/docker.sock`.
    pub address: String,
    /// The engine's version: `20.10.24+dfsg1`.
    pub version: String,
    /// The newest API it speaks, as major and minor: `(1, 41)`.
    pub api: (u32, u32),
    /// The system that its containers run on: `linux`.
    pub os: String,
    /// The architecture as images name it: `amd64`, `arm64`.
    pub arch: String,
    /// Whether it builds with BuildKit; else only the classic builder is there.
    pub buildkit: bool,
    /// Whether it runs without root: its containers' addresses are then not reachable from the host.
    pub rootless: bool,
    /// How layers are kept: `overlay2`.
    pub storage_driver: String,
    /// Where it keeps everything: `/var/lib/docker`.
    pub root_dir: String,
    /// The machine's memory in bytes.
    pub memory: u64,
    /// The machine's processors.
    pub processors: u32,
}

impl About {
    /// Whether the engine shares this machine's files and network.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.address.starts_with("unix://")
    }
}

//! This host: everything that the engine's traits are implemented on.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_artifact::Store;
use landfall_docker::Engine;
use landfall_fx::host::{Host, Ledger};
use landfall_fx::{Clock, Files, RealFiles, StateDir, SystemClock, SystemRandom};
use landfall_model::{
    AppName, Digest, EnvironmentName, Fault, Release, ReleaseId, ReleaseState, ServiceName,
};
use tokio::runtime::Handle;

use crate::doors::caddies::Caddies;
use crate::engines::Engines;
use crate::images::HostImages;
use crate::leaving::Leaving;
use crate::proxy_process::ProxyProcess;
use crate::runtimes::docker::output::Outputs;
use crate::state::State;

/// Where the agent's effects come together. Its methods that block are called from threads outside the runtime only.
pub(crate) struct LocalHost {
    dir: StateDir,
    state: State,
    store: Store,
    proxy: ProxyProcess,
    caddies: Caddies,
    program: PathBuf,
    clock: SystemClock,
    files: RealFiles,
    runtime: Handle,
    name: String,
    variables: BTreeMap<String, String>,
    leaving: Leaving,
    engines: Engines,
    outputs: Outputs,
    images: HostImages,
    mark: String,
}

impl LocalHost {
    /// Opens state and store below `dir`; `program` is the landfall executable that shims and the proxy run.
    pub(crate) fn open(dir: StateDir, program: PathBuf, runtime: Handle) -> Result<Arc<Self>, Fault> {
        let state = State::open(&dir.database(), &SystemRandom)?;
        let store = Store::open(&dir.store()).map_err(|e| {
            Fault::machine(format!("the store {} cannot be opened: {e}", dir.store().display()))
        })?;
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let proxy = ProxyProcess::new(&dir, program.clone());
        let caddies = Caddies::new(&dir);
        // What is no text cannot be passed on; it is none of what instances or builds are given either.
        let texts =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let variables = texts.collect();
        let mark = Digest::of(dir.root().as_os_str().as_encoded_bytes()).short();
        Ok(Arc::new(Self {
            dir,
            state,
            store,
            proxy,
            caddies,
            program,
            clock: SystemClock::new(),
            files: RealFiles,
            runtime,
            name,
            variables,
            leaving: Leaving::default(),
            engines: Engines::default(),
            outputs: Outputs::default(),
            images: HostImages::default(),
            mark,
        }))
    }

    pub(crate) fn dir(&self) -> &StateDir {
        &self.dir
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn proxy(&self) -> &ProxyProcess {
        &self.proxy
    }

    pub(crate) fn caddies(&self) -> &Caddies {
        &self.caddies
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    pub(crate) fn files(&self) -> &dyn Files {
        &self.files
    }

    /// The environment that the agent itself was started with.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub(crate) fn host_name(&self) -> &str {
        &self.name
    }

    /// What `DOCKER_HOST` the agent was started with.
    pub(crate) fn engine_name(&self) -> Option<&str> {
        self.variables.get("DOCKER_HOST").map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The host's Docker engine: the one that `DOCKER_HOST` names, else the machine's own. Blocks.
    pub(crate) fn docker(&self) -> Result<Engine, Fault> {
        self.wait_for(self.engines.get(self.engine_name(), &self.variables))
    }

    /// Another engine than the host's own, as `DOCKER_HOST` names it. Blocks.
    pub(crate) fn engine_at(&self, host: &str) -> Result<Engine, Fault> {
        self.wait_for(self.engines.get(Some(host), &self.variables))
    }

    /// The images that the host itself keeps.
    pub(crate) fn host_images(&self) -> &HostImages {
        &self.images
    }

    /// The outputs of containers that are being written down.
    pub(crate) fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// What this agent's things in an engine are known by: 12 hex digits, the same for the same state folder.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// The instances that are on their way out.
    pub(crate) fn leaving(&self) -> &Leaving {
        &self.leaving
    }

    /// Runs a future on the agent's runtime, beside everything else.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(future);
    }

    /// Does what blocks on a thread of its own, beside everything else.
    pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.runtime.spawn_blocking(work);
    }

    /// Runs a future of the agent's runtime to its end, from a thread outside of it.
    pub(crate) fn wait_for<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Ledger for LocalHost {
    fn record(&self, release: &Release) -> Result<(), Fault> {
        self.state.record(release)
    }

    fn set_state(&self, release: &Release, state: ReleaseState) -> Result<(), Fault> {
        self.state.set_release_state(release, state)
    }

    fn active(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        service: &ServiceName,
    ) -> Result<Option<ReleaseId>, Fault> {
        self.state.active(app, environment, service)
    }
}

impl Host for LocalHost {
    fn name(&self) -> String {
        self.name.clone()
    }
}

//! A conversation with the agent about one application and environment.

use std::future::Future;

use landfall_model::api::Info;
use landfall_model::{AppName, EnvironmentName, Fault, Service, ServiceName};
use landfall_targets::host::{Agent, App};

use crate::failure::Failure;
use crate::project::Project;
use crate::settings::Settings;

/// The agent, and what is talked about.
pub(crate) struct Session {
    agent: Agent,
    info: Info,
    app: AppName,
    environment: EnvironmentName,
    /// The compose projects that the manifest names.
    projects: Vec<String>,
}

impl Session {
    /// Talks to this machine's agent about the project; starts one when none runs.
    ///
    /// # Errors
    /// When none comes up.
    pub(crate) async fn open(project: &Project) -> Result<Self, Failure> {
        let compose = |service: &Service| service.spec.compose.as_ref()?.project.clone();
        let projects = project.resolved.services.iter().filter_map(compose).collect();
        Self::about(project.app().clone(), project.environment().clone(), projects).await
    }

    async fn about(
        app: AppName,
        environment: EnvironmentName,
        projects: Vec<String>,
    ) -> Result<Self, Failure> {
        let (agent, info) = connect().await?;
        Ok(Self { agent, info, app, environment, projects })
    }

    /// The same conversation with whatever agent is there now.
    pub(crate) async fn reopen(&self) -> Result<Self, Failure> {
        Self::about(self.app.clone(), self.environment.clone(), self.projects.clone()).await
    }

    /// The calls about the application and environment.
    pub(crate) fn app(&self) -> App<'_> {
        self.agent.app(&self.app, &self.environment).with_projects(&self.projects)
    }

    /// The agent itself.
    pub(crate) fn agent(&self) -> &Agent {
        &self.agent
    }

    /// What the agent said of itself at first.
    pub(crate) fn info(&self) -> &Info {
        &self.info
    }

    /// The environment.
    pub(crate) fn environment(&self) -> &EnvironmentName {
        &self.environment
    }
}

/// Reaches this machine's agent, and starts one when none runs.
pub(crate) async fn connect() -> Result<(Agent, Info), Failure> {
    let (state, program) = (Settings::state()?, Settings::program()?);
    Ok(Agent::connect_or_start(&state, &program).await?)
}

/// The services that are deployed, as the agent that runs now says; none where none runs.
///
/// # Errors
/// Any other failure of the call.
pub(crate) fn deployed(app: &AppName, environment: &EnvironmentName) -> Result<Vec<ServiceName>, Failure> {
    let agent = Agent::local(&Settings::state()?);
    block_on(async {
        match agent.app(app, environment).observed().await {
            Ok(observed) => Ok(observed.services.into_keys().collect()),
            Err(error) if error.nobody_there() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    })
}

/// Runs `work` to its end on one thread. What it left running elsewhere is not waited for.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::internal(format!("the event loop cannot be made: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

//! From a plan to its end: ships what the host has not, hands the plan over, watches it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use landfall_artifact::frames::FrameReader;
use landfall_model::api::{Accepted, Submission};
use landfall_model::{Blame, Digest, Fault, FaultKind, Plan, Release, Retry};
use landfall_secrets::Values;
use landfall_targets::host::CallError;

use crate::failure::Failure;
use crate::follow::{Purpose, follow};
use crate::gather::Bundles;
use crate::session::Session;
use crate::settings::Settings;

/// What goes to the host beside the plan.
#[derive(Default)]
pub(crate) struct Cargo {
    /// The bundles of all sources.
    pub(crate) bundles: Bundles,
    /// The values of the secrets that new releases name.
    pub(crate) values: Values,
}

/// Applies the plan and gives the exit code of how it ended.
///
/// # Errors
/// Refused by the agent; a connection that breaks while the plan is handed over: it is not known then whether it began.
pub(crate) async fn apply(
    settings: &Settings,
    session: &Session,
    plan: Plan,
    cargo: Cargo,
) -> Result<ExitCode, Failure> {
    let bytes_shipped = ship(session, &plan, cargo.bundles).await?;
    let secrets = needed(&plan, &cargo.values);
    let submission = Submission { plan, secrets, holder: Settings::holder(), bytes_shipped };
    let accepted = submit(session, &submission).await?;
    // The values have gone to the one who needs them; they are not kept here while the deploy is watched.
    drop(submission);
    drop(cargo.values);
    let ended = follow(settings, session, accepted.transaction).await?;
    Ok(ended.exit_code(Purpose::Done))
}

/// Sends the blobs of the plan's new artifacts that the host has not, and gives their bytes.
async fn ship(session: &Session, plan: &Plan, bundles: Bundles) -> Result<u64, Failure> {
    let wanted: BTreeSet<Digest> = plan.releases.values().map(|release| release.artifact).collect();
    let mut shipped = 0;
    let mut known: BTreeSet<Digest> = BTreeSet::new();
    for ((source, _), bundle) in bundles.into_iter().filter(|(_, bundle)| wanted.contains(&bundle.digest)) {
        let asked: Vec<Digest> =
            bundle.digests().into_iter().filter(|digest| known.insert(*digest)).collect();
        let missing = session.agent().missing_blobs(&asked).await?;
        if missing.is_empty() {
            continue;
        }
        let frames = FrameReader::new(&source, &bundle, &missing)
            .map_err(|error| Fault::internal(format!("{} cannot be sent: {error}", source.display())))?;
        shipped += session.agent().upload(frames).await?;
    }
    Ok(shipped)
}

/// The values that the plan's releases name.
fn needed(plan: &Plan, values: &Values) -> Secrets {
    let named: BTreeSet<_> = plan.releases.values().map(Release::service).collect();
    let mut all = values.expose();
    all.retain(|service, _| named.contains(service));
    all
}

type Secrets = BTreeMap<landfall_model::ServiceName, BTreeMap<String, String>>;

async fn submit(session: &Session, submission: &Submission) -> Result<Accepted, Failure> {
    match session.app().submit(submission).await {
        Ok(accepted) => Ok(accepted),
        Err(CallError::Lost { why, .. }) => {
            let environment = session.environment();
            Err(Fault::new(
                FaultKind::NeedsPerson,
                Blame::Machine,
                Retry::AfterFix,
                format!(
                    "the connection broke while the plan was handed over ({why}): it may have begun or not"
                ),
            )
            .help(format!(
                "`landfall status {environment}` says which; then `landfall resume {environment}` or \
                 `landfall undo {environment}` if it has"
            ))
            .into())
        }
        Err(error) => Err(error.into()),
    }
}

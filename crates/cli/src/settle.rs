//! What a deploy, a rollback or a down finds under way: another's work is left alone, what was interrupted is finished
//! or taken back first, whichever is shorter.

use std::io;

use landfall_model::{Blame, EnvironmentName, Fault, FaultKind, Observed, OpenTransaction, PlanKind, Retry};

use crate::failure::Failure;
use crate::follow::{Purpose, follow};
use crate::session::Session;
use crate::settings::Settings;

/// Gives the place with no transaction open. One that was left open is taken back before its switch and finished
/// after it.
///
/// # Errors
/// Refused while another transaction runs; whatever keeps the open one from ending well.
pub(crate) async fn settle(
    settings: &Settings,
    session: &Session,
    observed: Observed,
) -> Result<Observed, Failure> {
    let Some(open) = &observed.open else { return Ok(observed) };
    if open.running {
        return Err(busy(session, open).into());
    }
    show(settings, session.environment(), open);
    let app = session.app();
    if !open.switched {
        settings.note("traffic was not switched yet: taking it back first");
        let accepted = app.undo(open.transaction).await?;
        let ended = follow(settings, session, accepted.transaction).await?;
        if !ended.is_refused() {
            ended.require(Purpose::Undone)?;
            return Ok(app.observed().await?);
        }
    }
    settings.note("it can only go forward: finishing it first");
    let accepted = app.resume(open.transaction).await?;
    follow(settings, session, accepted.transaction).await?.require(Purpose::Done)?;
    Ok(session.app().observed().await?)
}

/// Says what was going on, to a person.
pub(crate) fn show(settings: &Settings, environment: &EnvironmentName, open: &OpenTransaction) {
    // Whoever closed standard error does not want to know.
    let _ = landfall_view::open_transaction(
        &mut io::stderr().lock(),
        environment,
        open,
        Settings::now(),
        &settings.error_style,
    );
}

/// The word for what is being done.
pub(crate) fn word(kind: PlanKind) -> &'static str {
    match kind {
        PlanKind::Deploy => "deploy",
        PlanKind::Rollback => "rollback",
        PlanKind::Down => "down",
    }
}

fn busy(session: &Session, open: &OpenTransaction) -> Fault {
    let environment = session.environment();
    let OpenTransaction { transaction, begun, done, steps, doing, .. } = open;
    let holder = open.lease.as_ref().map_or_else(|| "somebody".to_owned(), |lease| lease.holder.clone());
    let word = word(open.kind);
    Fault::new(
        FaultKind::Refused,
        Blame::User,
        Retry::Safe,
        format!(
            "{word} {transaction} of {environment} is under way, since {begun} by {holder}: step {} of {steps}, {doing}",
            (done + 1).min(*steps)
        ),
    )
    .help(format!("wait for it; `landfall resume {environment}` watches it"))
}

//! Rules: what the health check got.

use landfall_model::{Evidence, HealthAnswer};

use super::{Finding, newest};

/// Django's refusal of a host name it was not told of.
pub(super) fn host_not_allowed(evidence: &Evidence) -> Option<Finding> {
    let is_400 = matches!(evidence.health, Some(HealthAnswer::Status { status: 400, .. }));
    let said = newest(evidence, |line| line.contains("Invalid HTTP_HOST header").then_some(()));
    if !is_400 || said.is_none() {
        return None;
    }
    Finding::new(
        "Django refuses the health check, because its host name is not in ALLOWED_HOSTS",
        "add \"127.0.0.1\" and the service's domain to ALLOWED_HOSTS",
    )
}

/// An answer that does not count as healthy, or none.
pub(super) fn answer(evidence: &Evidence) -> Option<Finding> {
    if evidence.exit.is_some() {
        return None;
    }
    match evidence.health.as_ref()? {
        HealthAnswer::Refused if evidence.listeners.is_empty() => None,
        HealthAnswer::Refused => Finding::new(
            format!("nothing accepted connections on {}", evidence.expected.as_deref().unwrap_or("its port")),
            "it may have been between two starts; look at what it printed",
        ),
        HealthAnswer::TimedOut => Finding::new(
            "it accepts connections but does not answer the health check in time",
            "see what it waits for while it answers (a database, a lock); or raise `timeout` of `health`",
        ),
        HealthAnswer::Broken { why } => Finding::new(
            format!("its answer to the health check is no HTTP: {why}"),
            "see that it speaks plain HTTP on $PORT (no TLS, no other protocol), and does not end while it answers",
        ),
        HealthAnswer::Status { status, body } => status_answer(*status, body),
    }
}

fn status_answer(status: u16, body: &str) -> Option<Finding> {
    let said = if body.trim().is_empty() { String::new() } else { format!(": {}", body.trim()) };
    let cause = format!("it answers the health check with {status}{said}");
    let advice = match status {
        500..=599 => "it runs, but fails to answer: look at what it printed when it was asked",
        404 => "see that `health` names a path that it serves",
        401 | 403 | 407 => "let the path that `health` names be asked without a login",
        300..=399 => {
            "it redirects: let `health` name a path that answers itself, or widen its `status`; one that redirects to https should trust X-Forwarded-Proto"
        }
        _ => "let `health` name a path that answers with success, or widen its `status`",
    };
    Finding::new(cause, advice)
}

#[cfg(test)]
mod tests {
    use super::super::case::Case;
    use landfall_model::HealthAnswer;

    #[test]
    fn statuses() {
        let case = || Case::running("").listening(&["127.0.0.1:41873"]);
        case()
            .answering(500, "Internal Server Error")
            .cause("it answers the health check with 500: Internal Server Error")
            .advice("what it printed");
        case()
            .answering(404, "")
            .cause("it answers the health check with 404")
            .advice("a path that it serves");
        case().answering(302, "").cause("it answers the health check with 302").advice("redirects");
        case()
            .answering(401, " login ")
            .cause("it answers the health check with 401: login")
            .advice("without a login");
        case().answering(204, "").cause("it answers the health check with 204").advice("`status`");
    }

    #[test]
    fn no_answers() {
        Case::running("")
            .listening(&["127.0.0.1:41873"])
            .with(|evidence| evidence.health = Some(HealthAnswer::TimedOut))
            .cause("it accepts connections but does not answer the health check in time")
            .advice("`timeout`");
        Case::running("")
            .with(|evidence| evidence.health = Some(HealthAnswer::Broken { why: "it closed".to_owned() }))
            .cause("its answer to the health check is no HTTP: it closed");
    }

    #[test]
    fn django() {
        Case::running(
            "Invalid HTTP_HOST header: '127.0.0.1:41873'. You may need to add '127.0.0.1' to ALLOWED_HOSTS.",
        )
        .answering(400, "Bad Request")
        .cause("Django refuses the health check, because its host name is not in ALLOWED_HOSTS");
    }
}

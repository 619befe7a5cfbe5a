//! How a release takes over and comes in, in the words of a plan: what the manifest said of it and what is so by default.

use landfall_model::{Canary, Certificate, Compare, Judge, Rolling, Route, Spec, Sticky, Strategy, Tls};

use crate::words;

/// "canary: judged on errors …"; the word alone where another strategy is followed than the manifest says.
pub(crate) fn manner(strategy: Strategy, spec: Option<&Spec>) -> String {
    let word = words::strategy(strategy);
    let Some(spec) = spec.filter(|spec| spec.strategy == strategy) else { return word.to_owned() };
    match (strategy, &spec.rolling, &spec.canary) {
        (Strategy::Rolling, Some(rolling), _) => format!("{word}: {}", batches(spec.replicas, *rolling)),
        (Strategy::Canary, _, Some(canary)) => format!("{word}: {}", judged(canary)),
        _ => word.to_owned(),
    }
}

fn batches(replicas: u32, rolling: Rolling) -> String {
    let Rolling { max_unavailable, max_surge } = rolling;
    match (max_unavailable, max_surge) {
        (0, beyond) => format!("none of {replicas} may be missing, {beyond} more may run"),
        (missing, 0) => format!("{missing} of {replicas} may be missing, none more may run"),
        (missing, beyond) => format!("{missing} of {replicas} may be missing, {beyond} more may run"),
    }
}

fn judged(canary: &Canary) -> String {
    let judge = match &canary.judge {
        Judge::Compare(Compare { errors, slower, .. }) => format!(
            "judged on errors (at most {} points more) and p99 (at most {slower} % longer)",
            points(*errors)
        ),
        Judge::Prometheus(prometheus) => format!("judged by Prometheus at {}", prometheus.url),
    };
    let sticky = match &canary.sticky {
        None => String::new(),
        Some(Sticky::Cookie { name }) => format!(", clients kept by the cookie `{name}`"),
        Some(Sticky::Header { name }) => format!(", clients kept by the header `{name}`"),
    };
    format!("{judge}{sticky}")
}

/// `0.1` of hundredths of a point.
fn points(hundredths: u32) -> String {
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    let text = format!("{whole}.{rest:02}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// "by the host's own authority; plain HTTP at 127.0.0.1:8080 is sent on"; `None` without HTTPS.
pub(crate) fn https(route: &Route) -> Option<String> {
    let Tls { certificate, redirect, hsts, .. } = route.tls.as_ref()?;
    let source = match certificate {
        Certificate::Internal => "a certificate of the host's own authority".to_owned(),
        Certificate::Files { certificate, .. } => format!("the certificate in {certificate}"),
        Certificate::Acme(acme) => {
            let host = acme.directory.split('/').nth(2).unwrap_or(&acme.directory);
            let demand = if acme.on_demand.is_some() { " on demand" } else { "" };
            format!("certificates by ACME from {host}{demand}")
        }
    };
    let plain = if *redirect { "is sent on" } else { "is served too" };
    let hsts = hsts.map(|_| ", and browsers are told so (HSTS)").unwrap_or_default();
    Some(format!("{source}; plain HTTP at {} {plain}{hsts}", route.listen))
}

//! Whether a saved plan still says what is true: if anything that it rests on has moved it is refused, with all of it.

use std::collections::BTreeMap;

use landfall_model::{
    Blame, Change, Fault, FaultKind, Observed, Plan, PlanKind, Release, Retry, ServiceName,
};
use landfall_plan::{Desired, DesiredService};

/// The version of the plan's format that is understood.
const FORMAT: u32 = 1;

/// Checks what a file holds before anything else is looked at.
///
/// # Errors
/// A plan that was changed by hand, is of another format, application or environment, or deploys nothing.
pub(crate) fn check_file(plan: &Plan, desired: (&str, &str)) -> Result<(), Fault> {
    let (app, environment) = desired;
    if plan.format != FORMAT {
        return Err(refused(format!(
            "the plan is of format {}, this is Landfall for format {FORMAT}",
            plan.format
        )));
    }
    if !plan.is_intact() {
        return Err(refused(
            "the plan's hash is not the hash of what it says: it was changed after it was made",
        ));
    }
    if (plan.app.as_str(), plan.environment.as_str()) != (app, environment) {
        let made = format!("{} in {}", plan.app, plan.environment);
        return Err(refused(format!("the plan is for {made}, this is {app} in {environment}")));
    }
    if plan.kind != PlanKind::Deploy {
        return Err(refused("the plan is no deploy"));
    }
    Ok(())
}

/// Checks that the plan's new releases are what source, manifest and secrets come to now, and that the place is where
/// it was.
///
/// # Errors
/// Everything that moved since.
pub(crate) fn check_world(plan: &Plan, desired: &Desired, observed: &Observed) -> Result<(), Fault> {
    let mut moved = Vec::new();
    if plan.generation != observed.generation {
        moved.push(format!(
            "something was deployed since: the place is at generation {}, the plan was made at {}",
            observed.generation, plan.generation
        ));
    }
    let now: BTreeMap<&ServiceName, &DesiredService> =
        desired.services.iter().map(|service| (&service.name, service)).collect();
    for line in &plan.services {
        let release = line.to.as_ref().and_then(|to| plan.releases.get(to));
        match (now.get(&line.service), release) {
            (Some(service), Some(release)) => moved.extend(differences(service, release)),
            (None, Some(_)) => moved.push(format!("`{}` is no longer in the manifest", line.service)),
            (Some(_), None) if line.change == Change::Remove => {
                moved.push(format!("`{}` is in the manifest again", line.service));
            }
            // Unchanged when the plan was made: whether it still is, is in the release that serves.
            (Some(service), None) => {
                let active = observed.services.get(&line.service).and_then(|seen| {
                    seen.releases.iter().find(|known| Some(&known.release.id) == seen.active.as_ref())
                });
                moved.extend(active.into_iter().flat_map(|known| differences(service, &known.release)));
            }
            (None, None) => {}
        }
    }
    let planned: Vec<&ServiceName> = plan.services.iter().map(|line| &line.service).collect();
    let new = desired.services.iter().filter(|service| !planned.contains(&&service.name));
    moved.extend(new.map(|service| format!("`{}` is not in the plan", service.name)));
    if moved.is_empty() { Ok(()) } else { Err(refused(format!("the plan is stale: {}", moved.join("; ")))) }
}

fn differences(service: &DesiredService, planned: &Release) -> Vec<String> {
    let name = &service.name;
    let mut found = Vec::new();
    if service.artifact != planned.artifact {
        found.push(format!("the source of `{name}` has changed"));
    }
    if Release::config_digest(&service.spec) != planned.config {
        found.push(format!("the manifest says something else of `{name}`"));
    }
    if service.secrets != planned.secrets {
        found.push(format!("secrets of `{name}` have changed"));
    }
    found
}

fn refused(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Refused, Blame::User, Retry::AfterFix, message)
        .help("make a new one with `landfall plan --out FILE`, look at it, and apply that")
}

#[cfg(test)]
mod tests {
    use landfall_model::{Digest, Fingerprint, Resolved};

    use super::*;

    fn desired(run: &str, source: &[u8], secret: &str) -> Desired {
        let text = format!(
            "name = \"shop\"\nversion = \"1.0.0\"\n[service.web]\nrun = \"{run}\"\nsecrets = [\"KEY\"]\n\
             [service.worker]\nkind = \"worker\"\nrun = \"work\"\n"
        );
        let here = std::path::Path::new("/shop");
        let context = landfall_manifest::Context {
            file: &here.join("landfall.toml"),
            root: here,
            environment: &"dev".parse().unwrap(),
            variable: &|_| None,
            is_folder: &|_| true,
            is_file: &|_| true,
            text: &|_| Some(String::new()),
        };
        let Resolved { app, environment, services, .. } =
            landfall_manifest::load(&text, &context).unwrap().resolved;
        let service = |service: landfall_model::Service| DesiredService {
            secrets: service
                .secrets
                .iter()
                .map(|need| (need.name.clone(), Fingerprint(secret.to_owned())))
                .collect(),
            name: service.name,
            spec: service.spec,
            artifact: Digest::of(source),
            notes: Vec::new(),
        };
        Desired {
            app,
            environment,
            version: "1.0.0-20261121000000".parse().unwrap(),
            created: landfall_model::Timestamp::from_millis(0),
            origin: None,
            services: services.into_iter().map(service).collect(),
            complete: true,
        }
    }

    fn planned() -> Plan {
        landfall_plan::deploy(&desired("serve", b"source", "1"), &Observed::default()).unwrap()
    }

    #[test]
    fn a_plan_is_applied_while_nothing_has_moved() {
        assert_eq!(check_file(&planned(), ("shop", "dev")), Ok(()));
        assert_eq!(check_world(&planned(), &desired("serve", b"source", "1"), &Observed::default()), Ok(()));
        // Through the file that it was kept in.
        let kept: Plan = serde_json::from_slice(&serde_json::to_vec_pretty(&planned()).unwrap()).unwrap();
        assert_eq!(check_file(&kept, ("shop", "dev")), Ok(()));
    }

    #[test]
    fn everything_that_moved_is_told() {
        let told = |desired: &Desired, generation| {
            let observed = Observed { generation, ..Observed::default() };
            let fault = check_world(&planned(), desired, &observed).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Refused);
            fault.message
        };
        let same = desired("serve", b"source", "1");
        assert!(told(&same, 1).contains("generation 1, the plan was made at 0"));
        assert!(told(&desired("other", b"source", "1"), 0).contains("manifest says something else of `web`"));
        assert!(told(&desired("serve", b"source", "2"), 0).contains("secrets of `web` have changed"));
        let all = told(&desired("other", b"edited", "2"), 7);
        for part in ["generation 7", "source of `web`", "source of `worker`", "manifest says", "secrets of"] {
            assert!(all.contains(part), "{part} is missing: {all}");
        }
        let mut fewer = same.clone();
        fewer.services.pop();
        assert!(told(&fewer, 0).contains("`worker` is no longer in the manifest"));
        let mut more = same;
        let mut extra = more.services[0].clone();
        extra.name = "extra".parse().unwrap();
        more.services.push(extra);
        assert!(told(&more, 0).contains("`extra` is not in the plan"));
    }

    #[test]
    fn a_plan_that_was_changed_or_is_for_elsewhere_is_refused() {
        let told = |plan: &Plan, place| check_file(plan, place).unwrap_err().message;
        assert!(told(&planned(), ("shop", "production")).contains("is for shop in dev"));
        let mut changed = planned();
        changed.steps.pop();
        assert!(told(&changed, ("shop", "dev")).contains("changed after it was made"));
        changed.format = 2;
        assert!(told(&changed.sealed(), ("shop", "dev")).contains("format 2"));
    }
}

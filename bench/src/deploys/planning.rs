//! A plan for a thousand services: the planning alone, and the whole command.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use landfall_fx::{Clock as _, SystemClock};
use landfall_manifest::Context;
use landfall_model::{Digest, Observed, Version};
use landfall_plan::{Desired, DesiredService};
use landfall_testkit::sandbox::{Sandbox, free_address};

use crate::report::Section;
use crate::stats::{Times, ms, spread};

const SERVICES: usize = 1000;
const BOUND: Duration = Duration::from_millis(100);

pub(crate) fn measure(binary: &Path, section: &mut Section) {
    let sandbox = Sandbox::new(binary);
    let mut manifest = "name = \"many\"\nversion = \"1.0.0\"\n".to_owned();
    for number in 0..SERVICES {
        let _ = write!(
            manifest,
            "\n[service.s{number}]\npath = \"app\"\nrun = \"python3 tiny.py\"\nhealth = \"/healthz\"\n\
             strategy = \"blue-green\"\n"
        );
    }
    let _ = write!(manifest, "\n[environment.dev]\nlisten = \"{}\"\n", free_address());
    sandbox.write("landfall.toml", &manifest);
    sandbox.write("app/tiny.py", landfall_testkit::app::TINY);

    let desired = desired(&sandbox);
    let mut pure = Times::default();
    for _ in 0..20 {
        let begun = Instant::now();
        let plan = landfall_plan::deploy(&desired, &Observed::default()).expect("a plan");
        assert!(plan.is_intact() && plan.services.len() == SERVICES);
        pure.add(begun.elapsed());
    }
    let mut whole = Times::default();
    let _ = sandbox.run(&["plan", "--json"]).ok();
    for _ in 0..10 {
        whole.add(sandbox.time(&["plan", "--json"]));
    }
    section.bounded(
        "a plan for 1,000 services",
        &ms(pure.median()),
        "100 ms",
        pure.median() <= BOUND,
        &format!("planning, hashing and checking the hash, {}", spread(&pure)),
    );
    section.compared(
        "`landfall plan --json` for 1,000 services, the whole command",
        &ms(whole.median()),
        &format!("reading the manifest, bundling, asking the agent, planning, printing, {}", spread(&whole)),
    );
}

/// What the manifest of the sandbox comes to.
fn desired(sandbox: &Sandbox) -> Desired {
    let file = sandbox.project().join("landfall.toml");
    let text = std::fs::read_to_string(&file).expect("just written");
    let environment = "dev".parse().expect("`dev` is a name");
    let context = Context {
        file: &file,
        root: &sandbox.project(),
        environment: &environment,
        variable: &|_| None,
        is_folder: &Path::is_dir,
        is_file: &|path| path.is_file(),
        text: &|path| std::fs::read_to_string(path).ok(),
    };
    let resolved = landfall_manifest::load(&text, &context).expect("the manifest is right").resolved;
    let now = SystemClock::new().now();
    let services = resolved.services.into_iter().map(|service| DesiredService {
        name: service.name,
        spec: service.spec,
        artifact: Digest::of(b"the same for all"),
        secrets: std::collections::BTreeMap::new(),
        notes: Vec::new(),
    });
    Desired {
        app: resolved.app,
        environment: resolved.environment,
        version: Version::stamp(&semver::Version::new(1, 0, 0), now, None, false),
        created: now,
        origin: None,
        services: services.collect(),
        complete: true,
    }
}

//! The environment variables of builds, tests and instances. Pure: what is inherited is an argument.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_model::{Fault, Kind, Release};

/// What an instance may inherit from the agent; nothing else reaches it.
const INHERITED: [&str; 8] = ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"];

/// What a build or an installer may inherit beside that: settings of package managers, proxies, certificates.
const BUILD_PREFIXES: [&str; 12] = [
    "ALL_PROXY",
    "CARGO_",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LC_",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "NPM_CONFIG_",
    "PIP_",
    "SSL_CERT_",
    "UV_",
    "XDG_",
];

/// Where programs are looked for when the agent itself was given no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Environment variables by name.
pub(crate) type Variables = BTreeMap<String, String>;

/// What prepared dependencies add: folders in front of `PATH` and variables.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Additions {
    /// Put in front of `PATH`, the first first.
    pub(crate) path: Vec<PathBuf>,
    /// Set, unless the manifest sets them.
    pub(crate) env: Variables,
}

/// The variables that any instance, test or build starts from.
pub(crate) fn inherited(own: &Variables) -> Variables {
    let mut variables: Variables = own
        .iter()
        .filter(|(k, _)| INHERITED.contains(&k.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    variables.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
    variables.entry("LANG".to_owned()).or_insert_with(|| "C.UTF-8".to_owned());
    variables
}

/// The same, with what installers and compilers need besides.
pub(crate) fn inherited_for_build(own: &Variables) -> Variables {
    let mut variables = inherited(own);
    for (name, value) in own {
        let upper = name.to_ascii_uppercase();
        if BUILD_PREFIXES.iter().any(|prefix| upper.starts_with(prefix)) {
            variables.insert(name.clone(), value.clone());
        }
    }
    variables
}

/// The complete environment of a release, without secrets, `HOST` and `PORT`. `volume` gives the path of a volume.
///
/// # Errors
/// A reference to a volume that the service does not have.
pub(crate) fn of_release(
    release: &Release,
    base: Variables,
    additions: &Additions,
    volume: &dyn Fn(&str) -> PathBuf,
) -> Result<Variables, Fault> {
    let mut variables = base;
    variables.insert("PYTHONUNBUFFERED".to_owned(), "1".to_owned());
    variables.extend(additions.env.clone());
    prepend_path(&mut variables, &additions.path);
    for (name, value) in [
        ("LANDFALL_APP", release.app.to_string()),
        ("LANDFALL_ENVIRONMENT", release.environment.to_string()),
        ("LANDFALL_SERVICE", release.service().to_string()),
        ("LANDFALL_VERSION", release.id.version().to_string()),
    ] {
        variables.insert(name.to_owned(), value);
    }
    for name in release.spec.volumes.keys() {
        let variable = format!("LANDFALL_VOLUME_{}", name.to_ascii_uppercase().replace('-', "_"));
        variables.insert(variable, volume(name).display().to_string());
    }
    for (name, template) in &release.spec.env {
        let known = |volume_name: &str| {
            let has = release.spec.volumes.contains_key(volume_name);
            has.then(|| volume(volume_name).display().to_string())
        };
        let value = template.fill(known).ok_or_else(|| {
            Fault::usage(format!(
                "`env.{name}` of service `{}` refers to a volume that it does not have",
                release.service()
            ))
        })?;
        variables.insert(name.clone(), value);
    }
    Ok(variables)
}

/// The address of an instance as its variables.
pub(crate) fn with_address(variables: &mut Variables, address: &str) {
    if let Some((host, port)) = address.rsplit_once(':') {
        variables.insert("HOST".to_owned(), host.to_owned());
        variables.insert("PORT".to_owned(), port.to_owned());
    }
}

fn prepend_path(variables: &mut Variables, folders: &[PathBuf]) {
    let old = variables.get("PATH").cloned().unwrap_or_default();
    let mut path: Vec<String> = folders.iter().map(|f: &PathBuf| Path::display(f).to_string()).collect();
    path.push(old);
    variables.insert("PATH".to_owned(), path.join(":"));
}

/// Whether the release has a route, and so needs an address for each instance.
pub(crate) fn has_address(release: &Release) -> bool {
    release.spec.kind == Kind::Web
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_inherited() {
        let own: Variables =
            [("HOME", "/h"), ("SECRET_KEY", "s"), ("PIP_CERT", "/c"), ("AWS_SECRET_ACCESS_KEY", "s")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into();
        let names = |variables: Variables| variables.into_keys().collect::<Vec<_>>();
        assert_eq!(names(inherited(&own)), ["HOME", "LANG", "PATH"]);
        assert_eq!(names(inherited_for_build(&own)), ["HOME", "LANG", "PATH", "PIP_CERT"]);
    }

    fn fixture(env: &[(&str, &str)]) -> Release {
        let env: BTreeMap<&str, &str> = env.iter().copied().collect();
        crate::runtimes::process::tests::release(&serde_json::json!({
            "env": env, "volumes": { "user-data": "/data" }
        }))
    }

    fn base() -> Variables {
        [("PATH", "/usr/bin"), ("HOME", "/h")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    fn volume(name: &str) -> PathBuf {
        PathBuf::from("/v").join(name)
    }

    #[test]
    fn a_release_has_its_names_its_volumes_and_what_the_manifest_says() {
        let release = fixture(&[("DATABASE", "sqlite:${volume.user-data}/g.db"), ("PLAIN", "a$b $${x}")]);
        let additions = Additions {
            path: vec!["/deps/venv/bin".into(), "/deps/node/bin".into()],
            env: [("VIRTUAL_ENV".to_owned(), "/deps/venv".to_owned())].into(),
        };
        let mut found = of_release(&release, base(), &additions, &volume).unwrap();
        with_address(&mut found, "127.0.0.1:41873");
        let expected = [
            ("DATABASE", "sqlite:/v/user-data/g.db"),
            ("HOME", "/h"),
            ("HOST", "127.0.0.1"),
            ("LANDFALL_APP", "a"),
            ("LANDFALL_ENVIRONMENT", "dev"),
            ("LANDFALL_SERVICE", "web"),
            ("LANDFALL_VERSION", "1.0.0-20260101000001"),
            ("LANDFALL_VOLUME_USER_DATA", "/v/user-data"),
            ("PATH", "/deps/venv/bin:/deps/node/bin:/usr/bin"),
            ("PLAIN", "a$b ${x}"),
            ("PORT", "41873"),
            ("PYTHONUNBUFFERED", "1"),
            ("VIRTUAL_ENV", "/deps/venv"),
        ];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn the_manifest_has_the_last_word() {
        let release = fixture(&[("PATH", "/own"), ("VIRTUAL_ENV", "/own"), ("PYTHONUNBUFFERED", "")]);
        let additions = Additions {
            path: vec!["/deps".into()],
            env: [("VIRTUAL_ENV".to_owned(), "/deps".to_owned())].into(),
        };
        let found = of_release(&release, base(), &additions, &volume).unwrap();
        assert_eq!([&found["PATH"], &found["VIRTUAL_ENV"], &found["PYTHONUNBUFFERED"]], ["/own", "/own", ""]);
    }

    #[test]
    fn a_volume_that_is_not_there_is_refused() {
        let release = fixture(&[("DATABASE", "${volume.data}/x")]);
        let fault = of_release(&release, base(), &Additions::default(), &volume).unwrap_err();
        assert!(fault.message.contains("env.DATABASE"), "{}", fault.message);
    }
}

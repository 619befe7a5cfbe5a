//! What `pyproject.toml` and `uv.lock` say of dependencies.
//!
//! Formats: <https://packaging.python.org/en/latest/specifications/pyproject-toml/> and uv's own.

use toml::{Table, Value};

/// The `[project]`'s dependencies; empty when it names none, or when there is no project.
///
/// # Errors
/// Why they cannot be told, as people read it.
pub fn dependencies(text: &str) -> Result<Vec<String>, String> {
    let document: Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let project = document.get("project").and_then(Value::as_table);
    let is_dynamic = project
        .and_then(|project| project.get("dynamic"))
        .and_then(Value::as_array)
        .is_some_and(|keys| keys.iter().any(|key| key.as_str() == Some("dependencies")));
    if is_dynamic {
        return Err("its dependencies are dynamic, known only to its build".to_owned());
    }
    let Some(listed) = project.and_then(|project| project.get("dependencies")) else {
        return if of_poetry(&document) {
            Err("its dependencies are in [tool.poetry], and there is no poetry.lock (`poetry lock` makes it)"
                .to_owned())
        } else {
            Ok(Vec::new())
        };
    };
    let wrong = || "[project] dependencies is no list of texts".to_owned();
    listed
        .as_array()
        .ok_or_else(wrong)?
        .iter()
        .map(|item| item.as_str().filter(|text| is_requirement(text)).map(str::to_owned).ok_or_else(wrong))
        .collect()
}

/// Whether it can stand on a line of its own in a file of requirements without meaning an option.
fn is_requirement(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && !text.contains('\n')
}

/// Whether poetry's own table names anything but Python itself.
fn of_poetry(document: &Table) -> bool {
    let own = document.get("tool").and_then(|tool| tool.get("poetry")?.get("dependencies")?.as_table());
    own.is_some_and(|own| own.keys().any(|name| name != "python"))
}

/// Whether a `uv.lock` holds packages that lie in the source beside the project itself.
#[must_use]
pub fn locks_local_packages(lock: &str) -> bool {
    let Ok(document) = lock.parse::<Table>() else { return true };
    let packages = document.get("package").and_then(Value::as_array);
    packages.into_iter().flatten().any(|package| {
        let source = package.get("source").and_then(Value::as_table);
        source.is_some_and(|source| {
            let local = |kind: &str| source.get(kind).and_then(Value::as_str);
            let itself = |path: &str| path == ".";
            ["editable", "directory", "virtual"].into_iter().filter_map(local).any(|path| !itself(path))
                || source.contains_key("path")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_names_its_dependencies() {
        let text = "[project]\nname='a'\ndependencies=['flask>=3', 'six; python_version<\"4\"']\n";
        assert_eq!(dependencies(text).unwrap(), ["flask>=3", "six; python_version<\"4\""]);
        for nothing in
            ["", "[tool.ruff]\nline-length=100\n", "[project]\nname='a'\n", "[project]\ndependencies=[]"]
        {
            assert_eq!(dependencies(nothing).unwrap(), Vec::<String>::new(), "{nothing}");
        }
        for wrong in [
            "[project]\ndynamic=['dependencies']\n",
            "[project]\ndependencies=[1]\n",
            "[project]\ndependencies=['--index-url=http://evil']\n",
            "[project]\ndependencies='flask'\n",
            "[tool.poetry.dependencies]\npython='^3.11'\nflask='*'\n",
            "[project",
        ] {
            assert!(dependencies(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn local_packages_of_a_lock_are_seen() {
        let lock =
            |source: &str| format!("version = 1\n[[package]]\nname='a'\nversion='1'\nsource = {source}\n");
        assert!(!locks_local_packages(&lock("{ registry = \"https://example.com\" }")));
        assert!(!locks_local_packages(&lock("{ editable = \".\" }")));
        assert!(!locks_local_packages(&lock("{ virtual = \".\" }")));
        assert!(locks_local_packages(&lock("{ editable = \"packages/b\" }")));
        assert!(locks_local_packages(&lock("{ path = \"x.whl\" }")));
    }
}

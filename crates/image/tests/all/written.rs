//! What is written for each sample, with what is said of it. A change is looked at with `cargo insta review`.

use landfall_image::scan;

use crate::samples::{self, Sample};

#[test]
fn each_kind_gets_a_dockerfile() {
    for sample in samples::all() {
        let written = sample.written().unwrap_or_else(|fault| panic!("{}: {fault}", sample.name));
        let notes: String = written.notes.iter().map(|note| format!("note: {note}\n")).collect();
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(sample.name, format!("{}\n{notes}", written.text));
        });
    }
}

/// What every image that runs something promises.
#[test]
fn nothing_runs_as_root_and_nothing_moves() {
    for sample in samples::all() {
        let written = sample.written().unwrap();
        let found = scan(&written.text);
        for reference in &found.references {
            assert!(!reference.moves(), "{}: {}", sample.name, reference.image);
        }
        assert_eq!(found.syntax, None, "a frontend of its own needs a registry");
        assert!(!written.text.contains("STOPSIGNAL"), "{}", sample.name);
        assert_eq!(sample.written().unwrap(), written, "the same every time");
        assert_eq!(
            written.text.contains("--mount=type=cache"),
            sample.buildkit && written.text.contains("--mount")
        );
        let last = written.text.rsplit("\nFROM ").next().unwrap();
        if last.starts_with("scratch") {
            assert_eq!(last.lines().count(), 2, "{}: nothing but the files", sample.name);
            continue;
        }
        assert!(last.contains("\nUSER 10001:10001\n"), "{}", sample.name);
        assert!(last.lines().last().unwrap().starts_with("CMD [\""), "{}", sample.name);
        assert_eq!(found.exposes, if last.contains("EXPOSE") { vec![8080] } else { vec![] });
        for line in ["HOST=0.0.0.0", "PORT=8080", "HOME=/home/app"] {
            assert!(last.contains(line), "{}: {line}", sample.name);
        }
    }
}

#[test]
fn a_change_of_the_source_alone_installs_nothing() {
    for name in ["python-pip", "python-uv", "python-poetry", "node-npm", "node-pnpm", "vite", "rust", "go"] {
        let sample: Sample = samples::all().into_iter().find(|sample| sample.name == name).unwrap();
        let text = sample.written().unwrap().text;
        let installs = [
            "pip install",
            "uv sync",
            "poetry install",
            "npm ci",
            "pnpm install",
            "cargo build",
            "go mod download",
        ];
        let install = installs.iter().filter_map(|word| text.find(word)).min().unwrap();
        let source = text.find("COPY . .").or_else(|| text.find("10001 . .")).unwrap();
        assert!(install < source, "{name}");
    }
}

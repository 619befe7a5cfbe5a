//! A bundle as the source of an image: from the folder and from a store, the same.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;

use landfall_artifact::{Sources, Store, bundle};
use landfall_image::{Ignore, Source as _, context};
use landfall_model::Timestamp;

#[test]
fn a_store_and_a_folder_give_the_same_context() {
    let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = folder.path();
    fs::create_dir_all(root.join("a/empty")).unwrap();
    for (path, text) in [("a/b.txt", "b"), ("Dockerfile", "FROM scratch"), ("large", &"x".repeat(5 << 20))] {
        fs::write(root.join(path), text).unwrap();
    }
    symlink("b.txt", root.join("a/link")).unwrap();
    let bundle = bundle(root, &[]).unwrap();
    let store = Store::open(&state.path().join("store")).unwrap();
    for entry in &bundle.index.entries {
        if let landfall_artifact::What::File { digest, size, .. } = &entry.what {
            store.put(digest, &mut fs::File::open(root.join(&entry.path)).unwrap(), *size).unwrap();
        }
    }
    let both = [Sources::in_folder(&bundle.index, root), Sources::in_store(&bundle.index, &store)];
    let ignore = Ignore::parse("Dockerfile\n").unwrap();
    let streams = both.map(|sources| {
        assert_eq!(sources.files(), ["Dockerfile", "a/b.txt", "a/link", "large"]);
        assert_eq!(sources.read("a/b.txt").unwrap(), b"b");
        assert_eq!(sources.read("large"), None);
        assert_eq!(sources.read("a/none"), None);
        let mut bytes = Vec::new();
        context(sources.entries(&ignore), Timestamp::from_millis(0)).read_to_end(&mut bytes).unwrap();
        bytes
    });
    assert_eq!(streams[0], streams[1]);
    let text = String::from_utf8_lossy(&streams[0]);
    assert!(text.contains("a/empty/") && !text.contains("Dockerfile"));
}

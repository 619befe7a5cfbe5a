//! The store's registry as others see it: skopeo and the Docker engine push to it and pull from it.

use std::fs;

use landfall_oci::Sha256;

use crate::tools::{docker, engine, have, layer, log_in, oci_layout, program, run};
use crate::world::{TOKEN, World, noise};

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_pushes_and_pulls_by_digest() {
    if !have("skopeo") {
        return;
    }
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let layers = [layer("a", &noise(1, 3_000_000)), layer("b", b"small")];
    let manifest = oci_layout(&from, &layers);
    let place = format!("docker://{}/team/web", world.host());
    let (source, target) = (format!("oci:{}", from.display()), format!("oci:{}", to.display()));
    let credentials = format!("landfall:{TOKEN}");
    let push = [
        "copy",
        "-q",
        "--preserve-digests",
        "--dest-tls-verify=false",
        "--dest-creds",
        &credentials,
        &source,
    ];
    let tagged = format!("{place}:1.0.0");
    run(program("skopeo", &[&push[..], &[&tagged]].concat())).await;
    // Nobody else may.
    let other = format!("{place}:2.0.0");
    let mut refused = program("skopeo", &["copy", "-q", "--dest-tls-verify=false", &source, &other]);
    assert!(!refused.output().unwrap().status.success());

    let by_digest = format!("{place}@{}", Sha256::of(&manifest));
    let pull = ["copy", "-q", "--preserve-digests", "--src-tls-verify=false", &by_digest, &target];
    assert!(!program("skopeo", &pull).output().unwrap().status.success(), "nobody else reads it either");
    run(program("skopeo", &[&pull[..], &["--src-creds", &credentials]].concat())).await;
    for bytes in layers.iter().chain([&manifest]) {
        assert_eq!(fs::read(to.join("blobs/sha256").join(Sha256::of(bytes).hex())).unwrap(), *bytes);
    }
    let tags =
        run(program("skopeo", &["list-tags", "--tls-verify=false", "--creds", &credentials, &place])).await;
    assert!(tags.contains("\"1.0.0\"") && !tags.contains("2.0.0"), "{tags}");
    let delete = ["delete", "--tls-verify=false", "--creds", &credentials, &tagged];
    run(program("skopeo", &delete)).await;
    world.get("/v2/team/web/manifests/1.0.0").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_pushes_and_pulls_by_digest() {
    let Some(engine) = engine() else { return };
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    log_in(folder.path(), &world.host(), "landfall", TOKEN);
    let docker = |arguments: &[&str]| docker(&engine, folder.path(), arguments);
    let tar = folder.path().join("root.tar");
    fs::write(&tar, layer("greeting", &noise(2, 2_000_000))).unwrap();
    let name = format!("{}/team/web", world.host());
    let tagged = format!("{name}:1.0.0");
    let id = run(docker(&["import", tar.to_str().unwrap(), &tagged])).await;
    run(docker(&["push", "-q", &tagged])).await;
    let stored = world.get("/v2/team/web/manifests/1.0.0").await.expect(200);
    run(docker(&["rmi", &tagged])).await;
    let by_digest = format!("{name}@{}", stored.header("docker-content-digest"));
    run(docker(&["pull", "-q", &by_digest])).await;
    let pulled = run(docker(&["image", "inspect", "-f", "{{.Id}}", &by_digest])).await;
    run(docker(&["rmi", &by_digest])).await;
    assert_eq!(pulled, id);
    assert!(world.disk.images.repositories().unwrap().iter().any(|name| name.as_str() == "team/web"));
}

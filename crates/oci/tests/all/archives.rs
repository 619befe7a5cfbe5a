//! Archives as engines save them, in each layout, into the store and out of it again.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use landfall_oci::archive::{ArchiveError, Imported, import, import_stream};
use landfall_oci::{Manifest, Platform, Repository, Sha256, Target, media};
use proptest::prelude::*;
use serde_json::json;

use crate::tools::{config, docker, engine, have, layer, log_in, oci_layout, program, run};
use crate::world::{Disk, TOKEN, World, noise};

fn name() -> Repository {
    "team/web".parse().unwrap()
}

/// A tar archive of these files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// What an older engine saves: a folder for each layer, the second a link when it is the same as the first.
fn saved(layers: &[Vec<u8>]) -> Vec<u8> {
    let config = config(layers);
    let id = format!("{}.json", Sha256::of(&config).hex());
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content).unwrap();
    };
    add(&id, &config);
    for (number, layer) in layers.iter().enumerate() {
        add(&format!("{number:064}/VERSION"), b"1.0");
        add(&format!("{number:064}/json"), b"{}");
        if layers[..number].contains(layer) {
            continue;
        }
        add(&format!("{number:064}/layer.tar"), layer);
    }
    let paths: Vec<_> = (0..layers.len()).map(|number| format!("{number:064}/layer.tar")).collect();
    add(
        "manifest.json",
        json!([{"Config": id, "RepoTags": ["x:1"], "Layers": paths}]).to_string().as_bytes(),
    );
    for (number, layer) in layers.iter().enumerate() {
        if let Some(first) = layers[..number].iter().position(|other| other == layer) {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            let (path, target) = (format!("{number:064}/layer.tar"), format!("../{first:064}/layer.tar"));
            tar.append_link(&mut header, path, target).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

fn put(disk: &Disk, archive: &[u8]) -> Result<Imported, ArchiveError> {
    import(&disk.images, &name(), &mut &archive[..], None)
}

fn layers_of(disk: &Disk, imported: &Imported) -> Vec<String> {
    let stored = disk.images.manifest(&name(), &Target::Digest(imported.manifest)).unwrap();
    let manifest = Manifest::parse(&stored.bytes, None).unwrap();
    assert_eq!(manifest.config.unwrap().digest, imported.config);
    manifest.layers.iter().map(|layer| layer.digest.to_string()).collect()
}

#[test]
fn an_older_engines_archive_gives_the_image_with_its_layers_in_order() {
    let disk = Disk::new();
    let same = layer("b", &noise(2, 500_000));
    let layers = [layer("a", &noise(1, 2_000_000)), same.clone(), same];
    let imported = put(&disk, &saved(&layers)).unwrap();
    assert_eq!(imported.config, Sha256::of(&config(&layers)));
    let digests: Vec<_> = layers.iter().map(|layer| Sha256::of(layer).to_string()).collect();
    assert_eq!(layers_of(&disk, &imported), digests);
    // Once more, with a small layer on top: nothing else is written.
    let more = [&layers[..], &[layer("c", b"one line")]].concat();
    let before = disk.bytes();
    let again = put(&disk, &saved(&more)).unwrap();
    assert_ne!(again.manifest, imported.manifest);
    let cost = disk.bytes() - before;
    assert!(again.new <= cost && cost < 16 * 1024, "{cost} bytes, {} of them in blobs", again.new);
}

#[test]
fn a_newer_engines_archive_is_not_read_where_the_store_has_the_layer() {
    let disk = Disk::new();
    let folder = tempfile::tempdir().unwrap();
    let layers = [layer("a", &noise(1, 2_000_000)), layer("b", b"small")];
    oci_layout(folder.path(), &layers);
    let blobs = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder.path().join("blobs/sha256"))
        .unwrap()
        .map(|entry| format!("blobs/sha256/{}", entry.unwrap().file_name().to_str().unwrap()))
        .map(|path| (path.clone(), blobs(&path)))
        .collect();
    files.push(("index.json".to_owned(), blobs("index.json")));
    let archive = |files: &[(String, Vec<u8>)]| {
        tar(&files.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])).collect::<Vec<_>>())
    };
    let first = put(&disk, &archive(&files)).unwrap();
    assert_eq!((first.skipped, first.config), (0, Sha256::of(&config(&layers))));
    let again = put(&disk, &archive(&files)).unwrap();
    assert_eq!((again.manifest, again.new), (first.manifest, 0));
    assert!(again.skipped > 2_000_000);
    // Both layouts in one archive, as engines write it since version 25.
    let id = format!("blobs/sha256/{}", first.config.hex());
    let paths: Vec<_> = layers.iter().map(|it| format!("blobs/sha256/{}", Sha256::of(it).hex())).collect();
    let manifest = json!([{"Config": id, "RepoTags": null, "Layers": paths}]).to_string();
    files.push(("manifest.json".to_owned(), manifest.into_bytes()));
    assert_eq!(put(&disk, &archive(&files)).unwrap().manifest, first.manifest);
}

#[test]
fn compressed_layers_are_stored_as_they_were_before() {
    let disk = Disk::new();
    let layers = [layer("a", &noise(1, 300_000))];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&layers[0]).unwrap();
    let gzip = gzip.finish().unwrap();
    let config = config(&layers);
    let platform = |os: &str, architecture: &str| json!({"os": os, "architecture": architecture});
    let image = json!({"schemaVersion": 2, "mediaType": media::MANIFEST,
        "config": {"mediaType": media::CONFIG, "digest": Sha256::of(&config), "size": config.len()},
        "layers": [{"mediaType": media::LAYER_GZIP, "digest": Sha256::of(&gzip), "size": gzip.len()}]});
    let image = image.to_string().into_bytes();
    // As BuildKit gives it: an index in the index, with an attestation that is no image.
    let inner = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": [
        {"mediaType": media::MANIFEST, "digest": Sha256::of(b"attestation"), "size": 11,
            "platform": platform("unknown", "unknown"),
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
        {"mediaType": media::MANIFEST, "digest": Sha256::of(&image), "size": image.len(),
            "platform": platform("linux", "riscv64")}]});
    let inner = inner.to_string().into_bytes();
    let outer = json!({"schemaVersion": 2, "manifests": [
        {"mediaType": media::INDEX, "digest": Sha256::of(&inner), "size": inner.len()}]});
    let at = |bytes: &[u8]| format!("blobs/sha256/{}", Sha256::of(bytes).hex());
    let archive = tar(&[
        (&at(&gzip), &gzip),
        (&at(&config), &config),
        (&at(&image), &image),
        (&at(&inner), &inner),
        (&at(b"attestation"), b"attestation"),
        ("index.json", outer.to_string().as_bytes()),
    ]);
    let imported = put(&disk, &archive).unwrap();
    assert_eq!(layers_of(&disk, &imported), [Sha256::of(&layers[0]).to_string()]);
    assert_eq!(imported.config, Sha256::of(&config));
    let amd64 = Platform::parse("linux/amd64").unwrap();
    let other = import(&disk.images, &name(), &mut &archive[..], Some(&amd64));
    assert!(matches!(other, Err(ArchiveError::NoPlatform(_))), "{other:?}");
}

#[test]
fn a_broken_archive_says_what_is_wrong_with_it() {
    let disk = Disk::new();
    let layers = [layer("a", &noise(1, 100_000))];
    let whole = saved(&layers);
    for cut in [100, 5_000, whole.len() / 2] {
        let told = put(&disk, &whole[..cut]);
        assert!(matches!(told, Err(ArchiveError::Stream(_) | ArchiveError::NoImage)), "{told:?}");
    }
    let id = format!("{}.json", Sha256::of(&config(&layers)).hex());
    let manifest = |paths: &[&str]| json!([{"Config": id, "Layers": paths}]).to_string();
    let (good, config) = (manifest(&["l.tar"]), config(&layers));
    let with = |layer: &[u8], manifest: &str| {
        put(&disk, &tar(&[(&id, &config), ("l.tar", layer), ("manifest.json", manifest.as_bytes())]))
    };
    assert!(with(&layers[0], &good).is_ok());
    assert!(matches!(with(b"another layer", &good), Err(ArchiveError::Layer { .. })));
    assert!(matches!(with(&layers[0], &manifest(&["m.tar"])), Err(ArchiveError::Missing(_))));
    assert!(matches!(with(&layers[0], &manifest(&[])), Err(ArchiveError::Layers { said: 1, found: 0 })));
    assert!(matches!(with(&layers[0], "[]"), Err(ArchiveError::NoImage)));
    assert!(matches!(with(&layers[0], "{"), Err(ArchiveError::Broken(..))));
    let two = json!([{"Config": "a", "Layers": []}, {"Config": "b", "Layers": []}]).to_string();
    assert!(matches!(with(&layers[0], &two), Err(ArchiveError::Several(2))));
    let misnamed = format!("blobs/sha256/{}", "0".repeat(64));
    assert!(matches!(put(&disk, &tar(&[(&misnamed, b"x")])), Err(ArchiveError::Misnamed { .. })));
    assert!(matches!(put(&disk, &tar(&[])), Err(ArchiveError::NoImage)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_as_an_archive_is_an_image_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..4096), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let disk = Disk::new();
        prop_assert!(put(&disk, &bytes).is_err());
        // One byte of a good one is another: the image is still the same, or it is refused.
        let layers = [layer("a", b"content")];
        let mut archive = saved(&layers);
        let at = at.index(archive.len());
        archive[at] = byte;
        if let Ok(imported) = put(&disk, &archive) {
            prop_assert_eq!(layers_of(&disk, &imported), [Sha256::of(&layers[0]).to_string()]);
            prop_assert_eq!(imported.config, Sha256::of(&config(&layers)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_skopeo_archives_is_what_skopeo_pulls() {
    if !have("skopeo") {
        return;
    }
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let layers = [layer("a", &noise(1, 1_000_000)), layer("b", b"small")];
    oci_layout(&folder.path().join("from"), &layers);
    let at = |kind: &str, name: &str| format!("{kind}:{}", folder.path().join(name).display());
    let mut manifests = Vec::new();
    for kind in ["docker-archive", "oci-archive"] {
        let archive = at(kind, kind);
        run(program("skopeo", &["copy", "-q", &at("oci", "from"), &archive])).await;
        let mut file = fs::File::open(folder.path().join(kind)).unwrap();
        let imported = import(&world.disk.images, &name(), &mut file, None).unwrap();
        assert_eq!(imported.config, Sha256::of(&config(&layers)), "{kind}");
        manifests.push(imported.manifest);
    }
    // However it came, it is the same image.
    assert_eq!(manifests[0], manifests[1]);
    let by_digest = format!("docker://{}/team/web@{}", world.host(), manifests[0]);
    let to = at("dir", "to");
    let credentials = format!("landfall:{TOKEN}");
    let pull = ["copy", "-q", "--src-tls-verify=false", "--src-creds", &credentials, &by_digest, &to];
    run(program("skopeo", &pull)).await;
    let pulled = fs::read(folder.path().join("to").join(Sha256::of(&layers[0]).hex())).unwrap();
    assert_eq!(pulled, layers[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_saves_it_pulls_by_digest() {
    let Some(engine) = engine() else { return };
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    log_in(folder.path(), &world.host(), "landfall", TOKEN);
    let docker = |arguments: &[&str]| docker(&engine, folder.path(), arguments);
    let tar = folder.path().join("root.tar");
    fs::write(&tar, layer("greeting", &noise(3, 5_000_000))).unwrap();
    let made = format!("landfall-test/oci:{}", std::process::id());
    let id = run(docker(&["import", tar.to_str().unwrap(), &made])).await;
    let archive = folder.path().join("saved.tar");
    run(docker(&["save", "-o", archive.to_str().unwrap(), &made])).await;
    run(docker(&["rmi", &made])).await;
    let bytes = fs::read(&archive).unwrap();
    let pieces = tokio_stream::iter(bytes.chunks(70_000).map(|it| Ok::<_, String>(it.to_vec().into())));
    let imported = import_stream(&world.disk.images, &name(), pieces, None).await.unwrap();
    assert_eq!(imported.config.to_string(), id.trim());
    let by_digest = format!("{}/team/web@{}", world.host(), imported.manifest);
    run(docker(&["pull", "-q", &by_digest])).await;
    let pulled =
        run(docker(&["image", "inspect", "-f", "{{.Id}} {{index .RepoDigests 0}}", &by_digest])).await;
    run(docker(&["rmi", &by_digest])).await;
    assert_eq!(pulled.trim(), format!("{} {by_digest}", id.trim()));
}

//! The store on the disk: what comes out is what went in, what is common lies there once, what nobody needs goes.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};
use landfall_model::Digest;
use landfall_oci::{Blob, Descriptor, ImageError, Images, Manifest, Repository, Sha256, Target, media};
use proptest::prelude::*;

use crate::world::{Disk, noise};

fn read(blob: Blob, range: std::ops::Range<u64>) -> Result<Vec<u8>, ImageError> {
    let mut reader = blob.read(range);
    let mut all = Vec::new();
    while let Some(bytes) = reader.next_bytes()? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

fn read_all(images: &Images, digest: &Digest) -> Result<Vec<u8>, ImageError> {
    let blob = images.blob(digest)?;
    let all = 0..blob.size();
    read(blob, all)
}

/// Puts an image in; gives its manifest's digest.
fn image(images: &Images, name: &Repository, tag: &str, layers: &[Vec<u8>]) -> Digest {
    let put = |kind: &str, bytes: &[u8]| {
        let digest = Sha256::of(bytes);
        if images.blob(&digest).is_err() {
            assert_eq!(images.put_blob(bytes).unwrap().digest, digest);
        }
        images.adopt(name, &digest).unwrap();
        Descriptor::new(kind, digest, bytes.len() as u64)
    };
    let config = put(media::CONFIG, tag.as_bytes());
    let layers: Vec<_> = layers.iter().map(|layer| put(media::LAYER, layer)).collect();
    let bytes = Manifest::image(&config, &layers);
    images.put_manifest(name, &Target::Tag(tag.parse().unwrap()), None, &bytes).unwrap().0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn chunks_put_together_are_the_blob_whatever_the_pieces(
        seed in any::<u64>(), length in 0usize..3_000_000, pieces in proptest::collection::vec(1usize..700_000, 1..12),
        from in 0u64..3_000_000, most in 0u64..400_000,
    ) {
        let disk = Disk::new();
        let bytes = noise(seed, length);
        let mut writer = disk.images.writer();
        let (mut rest, mut turn) = (&bytes[..], pieces.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*turn.next().unwrap()));
            writer.push(now).unwrap();
            rest = later;
        }
        let written = writer.finish(Some(&Sha256::of(&bytes))).unwrap();
        prop_assert_eq!(written.size, length as u64);
        prop_assert_eq!(&read_all(&disk.images, &written.digest).unwrap(), &bytes);
        let blob = disk.images.blob(&written.digest).unwrap();
        let (start, end) = (from.min(written.size), (from + most).min(written.size));
        let part = &bytes[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
        prop_assert_eq!(&read(blob, from..from + most).unwrap()[..], part);
        // The same bytes in one piece are cut the same: nothing is written.
        prop_assert_eq!(disk.images.put_blob(&bytes).unwrap().new, 0);
    }
}

#[test]
fn an_insertion_costs_the_chunks_around_it() {
    let disk = Disk::new();
    let old = noise(1, 8 * 1024 * 1024);
    disk.images.put_blob(&old).unwrap();
    let mut new = old.clone();
    new.splice(4_000_000..4_000_000, *b"one line more\n");
    let written = disk.images.put_blob(&new).unwrap();
    assert!(written.new < 600 * 1024, "{} bytes for one line", written.new);
    assert_eq!(read_all(&disk.images, &written.digest).unwrap(), new);
}

#[test]
fn what_is_not_what_was_announced_is_not_stored() {
    let disk = Disk::new();
    let mut writer = disk.images.writer();
    writer.push(b"something").unwrap();
    let wrong = Sha256::of(b"something else");
    assert!(matches!(writer.finish(Some(&wrong)), Err(ImageError::Mismatch { .. })));
    for digest in [wrong, Sha256::of(b"something")] {
        assert!(matches!(disk.images.blob(&digest), Err(ImageError::BlobUnknown(_))));
    }
}

#[test]
fn what_was_damaged_is_never_given_and_can_be_put_in_again() {
    let disk = Disk::new();
    let bytes = noise(2, 1_000_000);
    let written = disk.images.put_blob(&bytes).unwrap();
    let hex = written.digest.hex();
    let list = disk.folder.path().join("images/blobs").join(&hex[..2]).join(&hex[2..]);
    let chunk = |nth: usize| {
        let list = fs::read(&list).unwrap();
        let hex: String = list[24 + 36 * nth..][..32].iter().map(|byte| format!("{byte:02x}")).collect();
        disk.folder.path().join("store").join(&hex[..2]).join(&hex[2..])
    };
    // A bit in a chunk.
    let path = chunk(1);
    let mut changed = fs::read(&path).unwrap();
    changed[100] ^= 1;
    fs::write(&path, changed).unwrap();
    assert!(matches!(read_all(&disk.images, &written.digest), Err(ImageError::Damaged(_))));
    assert!(matches!(disk.images.blob(&written.digest), Err(ImageError::BlobUnknown(_))));
    assert!(disk.images.put_blob(&bytes).unwrap().new > 0);
    assert_eq!(read_all(&disk.images, &written.digest).unwrap(), bytes);
    // A chunk that is gone.
    fs::remove_file(chunk(0)).unwrap();
    assert!(matches!(disk.images.blob(&written.digest), Err(ImageError::BlobUnknown(_))));
    disk.images.put_blob(&bytes).unwrap();
    assert_eq!(read_all(&disk.images, &written.digest).unwrap(), bytes);
    // A list that names the chunks of another blob: each chunk is whole, the blob is not.
    let other = disk.images.put_blob(&noise(3, 900_000)).unwrap().digest.hex();
    fs::copy(disk.folder.path().join("images/blobs").join(&other[..2]).join(&other[2..]), &list).unwrap();
    assert!(matches!(read_all(&disk.images, &written.digest), Err(ImageError::Damaged(_))));
}

#[test]
fn a_layer_of_ten_kilobytes_on_a_large_image_costs_at_most_thirty_two() {
    let disk = Disk::new();
    let name: Repository = "guestbook/web".parse().unwrap();
    let base: Vec<Vec<u8>> = (0..7).map(|seed| noise(seed, 40_000_000)).collect();
    image(&disk.images, &name, "1.0.0", &base);
    let before = disk.bytes();
    assert!(before >= 280_000_000);
    let mut layers = base;
    layers.push(noise(8, 10 * 1024));
    image(&disk.images, &name, "1.0.1", &layers);
    let cost = disk.bytes() - before;
    eprintln!("a layer of 10 KiB on an image of 280 MB: {cost} bytes into the store");
    assert!(cost <= 32 * 1024, "{cost} bytes");
}

#[test]
fn collecting_keeps_what_releases_need_with_what_was_attached_to_it() {
    let disk = Disk::new();
    let images = &disk.images;
    let (web, api): (Repository, Repository) = ("shop/web".parse().unwrap(), "shop/api".parse().unwrap());
    let shared = noise(1, 300_000);
    let kept = image(images, &web, "1.0.0", &[shared.clone(), noise(2, 10_000)]);
    let dropped = image(images, &web, "1.0.1", &[shared.clone(), noise(3, 500_000)]);
    let elsewhere = image(images, &api, "1.0.0", &[shared.clone(), noise(4, 10_000)]);
    // An index of the kept one, and a signature on that.
    let size = images.manifest(&web, &Target::Digest(kept)).unwrap().bytes.len() as u64;
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": media::INDEX,
        "manifests": [Descriptor::new(media::MANIFEST, kept, size)]});
    let (index, _) = images
        .put_manifest(&web, &Target::Tag("all".parse().unwrap()), None, index.to_string().as_bytes())
        .unwrap();
    let signature = images.put_blob(b"{}").unwrap();
    images.adopt(&web, &signature.digest).unwrap();
    let attached = serde_json::json!({"schemaVersion": 2, "mediaType": media::MANIFEST,
        "config": Descriptor::new("application/vnd.example", signature.digest, 2), "layers": [],
        "subject": Descriptor::new(media::INDEX, index, 1)});
    let attached = Sha256::of(attached.to_string().as_bytes()).to_string().parse().map(|target: Target| {
        images.put_manifest(&web, &target, None, attached.to_string().as_bytes()).unwrap().0
    });
    let attached = attached.unwrap();

    let hour = Duration::from_secs(3600);
    let (now, keep) = (SystemClock::new().now(), HashSet::from([index]));
    let young = images.collect(&HashSet::new(), now, hour).unwrap();
    assert_eq!((young.manifests, young.blobs), (0, 0));
    let done = images.collect(&keep, now.plus(2 * hour), hour).unwrap();
    // The dropped image and the one elsewhere, each with its configuration and its own layer; both are tagged 1.0.0 and
    // 1.0.1, so that the configurations of the kept one and the one elsewhere are the same bytes.
    assert_eq!((done.manifests, done.blobs), (2, 3));
    let target = |digest| Target::Digest(digest);
    for digest in [kept, index, attached] {
        assert!(images.manifest(&web, &target(digest)).is_ok(), "{digest}");
    }
    assert!(matches!(images.manifest(&web, &target(dropped)), Err(ImageError::ManifestUnknown(..))));
    assert!(matches!(images.manifest(&api, &target(elsewhere)), Err(ImageError::ManifestUnknown(..))));
    assert_eq!(images.tags(&web).unwrap(), ["1.0.0", "all"]);
    assert!(matches!(images.tags(&api), Err(ImageError::NameUnknown(_))));
    assert_eq!(images.referrers(&web, &index).unwrap().len(), 1);
    // With what is left said to it, the content store keeps every chunk that is needed, and no other.
    let freed = disk.chunks.collect(&[], &done.chunks, now.plus(2 * hour), hour).unwrap();
    assert!((500_000..600_000).contains(&freed), "{freed}");
    assert_eq!(read_all(images, &Sha256::of(&shared)).unwrap(), shared);
    // Nothing is needed: nothing is left.
    let all = images.collect(&HashSet::new(), now.plus(2 * hour), hour).unwrap();
    assert!(all.chunks.is_empty() && images.repositories().unwrap().is_empty());
    disk.chunks.collect(&[], &all.chunks, now.plus(2 * hour), hour).unwrap();
    assert_eq!(disk.bytes(), 0);
}

//! What the OCI distribution specification 1.1 demands, in its order: pull, push, content discovery, content management.

use landfall_oci::server::Access;
use landfall_oci::{Descriptor, Sha256, media};
use serde_json::json;

use crate::world::{TOKEN, World, noise};

const NAME: &str = "conform/ance";

// ---- Pull ----

#[tokio::test]
async fn pull_manifests_by_tag_and_digest_and_blobs_whole_and_in_part() {
    let world = World::new().await;
    let layer = noise(1, 700_000);
    let manifest = world.push_image(NAME, "1.0.0", &[&layer]).await;
    let digest = Sha256::of(&manifest).to_string();
    for target in ["1.0.0", &digest] {
        let path = format!("/v2/{NAME}/manifests/{target}");
        let got = world.get(&path).await.expect(200);
        assert_eq!(got.body, manifest);
        let head = world.call("HEAD", &path, &[], b"").await.expect(200);
        assert!(head.body.is_empty());
        for answer in [&got, &head] {
            assert_eq!(answer.header("content-type"), media::MANIFEST);
            assert_eq!(answer.header("docker-content-digest"), digest);
            assert_eq!(answer.header("content-length"), manifest.len().to_string());
            assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
        }
    }
    let blob = Sha256::of(&layer);
    let path = format!("/v2/{NAME}/blobs/{blob}");
    let got = world.get(&path).await.expect(200);
    assert_eq!(got.body, layer);
    let head = world.call("HEAD", &path, &[], b"").await.expect(200);
    for answer in [&got, &head] {
        assert_eq!(answer.header("docker-content-digest"), blob.to_string());
        assert_eq!(answer.header("content-length"), "700000");
    }
    for (range, status, part) in [
        ("bytes=0-0", 206, &layer[..1]),
        ("bytes=300000-699999", 206, &layer[300_000..]),
        ("bytes=699990-", 206, &layer[699_990..]),
        ("bytes=-10", 206, &layer[699_990..]),
        ("bytes=700000-", 416, &[]),
        ("bytes=1-0", 200, &layer[..]),
    ] {
        let got = world.call("GET", &path, &[("range", range)], b"").await.expect(status);
        match status {
            206 => assert_eq!(got.header("content-range").split('/').nth(1), Some("700000")),
            416 => assert_eq!(got.header("content-range"), "bytes */700000"),
            _ => {}
        }
        if status != 416 {
            assert_eq!(got.body, part, "{range}");
        }
    }
}

#[tokio::test]
async fn pull_of_what_is_not_there_says_which_part_is_missing() {
    let world = World::new().await;
    world.push_image(NAME, "1.0.0", &[b"layer"]).await;
    let none = Sha256::of(b"nowhere");
    for (path, status, code) in [
        (format!("/v2/{NAME}/blobs/{none}"), 404, "BLOB_UNKNOWN"),
        (format!("/v2/{NAME}/manifests/{none}"), 404, "MANIFEST_UNKNOWN"),
        (format!("/v2/{NAME}/manifests/2.0.0"), 404, "MANIFEST_UNKNOWN"),
        (format!("/v2/other/blobs/{}", Sha256::of(b"layer")), 404, "BLOB_UNKNOWN"),
        ("/v2/other/manifests/1.0.0".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("/v2/other/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
        (format!("/v2/{NAME}/blobs/sha256:totallywrong"), 400, "DIGEST_INVALID"),
        ("/v2/No/tags/list".to_owned(), 400, "NAME_INVALID"),
        (format!("/v2/{NAME}/manifests/.wrong"), 400, "MANIFEST_INVALID"),
        ("/v2/nothing".to_owned(), 404, "NAME_UNKNOWN"),
    ] {
        let got = world.get(&path).await.expect(status);
        assert_eq!(got.code(), code, "{path}");
        assert_eq!(got.header("content-type"), "application/json");
        assert!(world.call("HEAD", &path, &[], b"").await.body.is_empty());
    }
}

// ---- Push ----

#[tokio::test]
async fn push_a_blob_whole() {
    let world = World::new().await;
    for bytes in [&b""[..], b"a small blob", &noise(2, 3_000_000)] {
        let digest = Sha256::of(bytes);
        // POST, then PUT.
        let begun = world.call("POST", &format!("/v2/{NAME}/blobs/uploads/"), &[], b"").await.expect(202);
        let place = format!("{}?digest={digest}", begun.header("location"));
        let kind = ("content-type", "application/octet-stream");
        let put = world.call("PUT", &place, &[kind], bytes).await.expect(201);
        assert_eq!(put.header("docker-content-digest"), digest.to_string());
        assert_eq!(world.get(put.header("location")).await.expect(200).body, bytes);
        // The session is over.
        assert_eq!(world.call("PUT", &place, &[], bytes).await.expect(404).code(), "BLOB_UPLOAD_UNKNOWN");
        // All in one POST, into another repository.
        let path = format!("/v2/other/blobs/uploads/?digest={digest}");
        let post = world.call("POST", &path, &[], bytes).await.expect(201);
        assert_eq!(world.get(post.header("location")).await.expect(200).body, bytes);
    }
}

#[tokio::test]
async fn push_a_blob_in_pieces_and_only_in_their_order() {
    let world = World::new().await;
    let bytes = noise(3, 1_000_000);
    let begun =
        world.call("POST", &format!("/v2/{NAME}/blobs/uploads/"), &[("content-length", "0")], b"").await;
    let place = begun.expect(202).header("location").to_owned();
    let status = world.call("GET", &place, &[], b"").await.expect(204);
    assert_eq!(status.header("range"), "0-0");
    // A piece that does not come next.
    let wrong =
        world.call("PATCH", &place, &[("content-range", "400000-799999")], &bytes[400_000..800_000]).await;
    assert_eq!(wrong.expect(416).header("range"), "0-0");
    let first =
        world.call("PATCH", &place, &[("content-range", "0-399999")], &bytes[..400_000]).await.expect(202);
    assert_eq!(first.header("range"), "0-399999");
    let place = first.header("location").to_owned();
    // The same piece again, and one that is not as long as it says.
    world.call("PATCH", &place, &[("content-range", "0-399999")], &bytes[..400_000]).await.expect(416);
    let lies = world.call("PATCH", &place, &[("content-range", "400000-400009")], b"four").await.expect(400);
    assert_eq!(lies.code(), "SIZE_INVALID");
    let broken = world.call("PATCH", &place, &[("content-range", "x")], b"four").await.expect(416);
    assert_eq!(broken.header("range"), "0-399999");
    let status = world.call("GET", &place, &[], b"").await.expect(204);
    assert_eq!((status.header("range"), status.header("location")), ("0-399999", place.as_str()));
    let range = ("content-range", "400000-799999");
    world.call("PATCH", &place, &[range], &bytes[400_000..800_000]).await.expect(202);
    // The last piece comes with the end.
    let digest = Sha256::of(&bytes);
    let (end, range) = (format!("{place}?digest={digest}"), ("content-range", "800000-999999"));
    world.call("PUT", &end, &[("content-range", "0-199999")], &bytes[800_000..]).await.expect(416);
    let done = world.call("PUT", &end, &[range], &bytes[800_000..]).await.expect(201);
    assert_eq!(world.get(done.header("location")).await.expect(200).body, bytes);
}

#[tokio::test]
async fn a_push_that_is_wrong_stores_nothing() {
    let world = World::new().await;
    let begin = || world.call("POST", "/v2/conform/ance/blobs/uploads/", &[], b"");
    let place = begin().await.expect(202).header("location").to_owned();
    let other = Sha256::of(b"other");
    for (query, body) in [
        (format!("?digest={other}"), &b"bytes"[..]),
        ("?digest=sha512:00".to_owned(), b"x"),
        (String::new(), b"x"),
    ] {
        let place = begin().await.expect(202).header("location").to_owned();
        let put = world.call("PUT", &format!("{place}{query}"), &[], body).await.expect(400);
        assert_eq!(put.code(), "DIGEST_INVALID");
    }
    let post = world.call("POST", &format!("/v2/{NAME}/blobs/uploads/?digest={other}"), &[], b"bytes").await;
    assert_eq!(post.expect(400).code(), "DIGEST_INVALID");
    world.get(&format!("/v2/{NAME}/blobs/{other}")).await.expect(404);
    // A session belongs to its repository, and can be given up.
    let elsewhere = place.replace("conform/ance", "other");
    assert_eq!(world.call("PATCH", &elsewhere, &[], b"x").await.expect(404).code(), "BLOB_UPLOAD_UNKNOWN");
    world.call("DELETE", &place, &[], b"").await.expect(204);
    assert_eq!(world.call("GET", &place, &[], b"").await.expect(404).code(), "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn mount_a_blob_of_another_repository_or_begin_an_upload() {
    let world = World::new().await;
    let digest = world.push_blob("from/here", b"common").await;
    let path = |from: &str| format!("/v2/{NAME}/blobs/uploads/?mount={digest}{from}");
    let mounted = world.call("POST", &path("&from=from%2Fhere"), &[], b"").await.expect(201);
    assert_eq!(mounted.header("docker-content-digest"), digest.to_string());
    assert_eq!(world.get(mounted.header("location")).await.expect(200).body, "common");
    let begun = world.call("POST", &path("&from=nowhere"), &[], b"").await.expect(202);
    assert!(begun.header("location").contains("/blobs/uploads/"));
    // From wherever it is.
    world.call("POST", &path("").replace(NAME, "any/where"), &[], b"").await.expect(201);
    world.get(&format!("/v2/any/where/blobs/{digest}")).await.expect(200);
    let none = format!("/v2/{NAME}/blobs/uploads/?mount={}", Sha256::of(b"nowhere"));
    world.call("POST", &none, &[], b"").await.expect(202);
    assert_eq!(world.call("POST", &path("&from=No"), &[], b"").await.expect(400).code(), "NAME_INVALID");
}

#[tokio::test]
async fn push_manifests_of_all_kinds_after_what_they_refer_to() {
    let world = World::new().await;
    let config = world.push_blob(NAME, b"{}").await;
    let missing = Sha256::of(b"missing");
    let image = |config, kind: &str| {
        json!({"schemaVersion": 2, "mediaType": kind, "config": Descriptor::new(media::CONFIG, config, 2), "layers": []})
            .to_string()
    };
    for kind in [media::MANIFEST, media::DOCKER_MANIFEST] {
        let put = world.put_manifest(NAME, "1.0.0", kind, image(config, kind).as_bytes()).await.expect(201);
        let got = world.get(put.header("location")).await.expect(200);
        assert_eq!(got.header("content-type"), kind);
        assert_eq!(got.header("docker-content-digest"), put.header("docker-content-digest"));
    }
    let without = image(missing, media::MANIFEST);
    let dangling = world.put_manifest(NAME, "1.0.1", media::MANIFEST, without.as_bytes());
    assert_eq!(dangling.await.expect(404).code(), "MANIFEST_BLOB_UNKNOWN");
    let good = image(config, media::MANIFEST);
    for (target, kind, body, status, code) in [
        ("x", media::INDEX, good.as_str(), 400, "MANIFEST_INVALID"),
        ("x", media::MANIFEST, "{", 400, "MANIFEST_INVALID"),
        ("x", media::MANIFEST, "{}", 400, "MANIFEST_INVALID"),
        (&missing.to_string(), media::MANIFEST, good.as_str(), 400, "DIGEST_INVALID"),
        ("x", media::MANIFEST, &" ".repeat(4 * 1024 * 1024 + 1), 413, "MANIFEST_INVALID"),
    ] {
        assert_eq!(world.put_manifest(NAME, target, kind, body.as_bytes()).await.expect(status).code(), code);
    }
    let child = Sha256::of(good.as_bytes());
    for kind in [media::INDEX, media::DOCKER_LIST] {
        let index = |child| {
            json!({"schemaVersion": 2, "mediaType": kind,
                "manifests": [Descriptor::new(media::MANIFEST, child, good.len() as u64)]})
            .to_string()
        };
        world.put_manifest(NAME, "all", kind, index(child).as_bytes()).await.expect(201);
        let dangling = world.put_manifest(NAME, "all", kind, index(missing).as_bytes()).await.expect(404);
        assert_eq!(dangling.code(), "MANIFEST_BLOB_UNKNOWN");
        assert_eq!(world.get(&format!("/v2/{NAME}/manifests/all")).await.header("content-type"), kind);
    }
}

#[tokio::test]
async fn every_call_takes_the_token() {
    let world = World::new().await;
    let manifest = world.push_image(NAME, "1.0.0", &[b"layer"]).await;
    let (digest, layer) = (Sha256::of(&manifest), Sha256::of(b"layer"));
    let calls = [
        ("GET", format!("/v2/{NAME}/manifests/1.0.0")),
        ("HEAD", format!("/v2/{NAME}/manifests/{digest}")),
        ("GET", format!("/v2/{NAME}/blobs/{layer}")),
        ("HEAD", format!("/v2/{NAME}/blobs/{layer}")),
        ("GET", format!("/v2/{NAME}/tags/list")),
        ("GET", format!("/v2/{NAME}/referrers/{digest}")),
        ("POST", format!("/v2/{NAME}/blobs/uploads/")),
        ("PUT", format!("/v2/{NAME}/manifests/1.0.0")),
        ("DELETE", format!("/v2/{NAME}/manifests/{digest}")),
        ("DELETE", format!("/v2/{NAME}/blobs/{layer}")),
    ];
    for (method, path) in &calls {
        for shown in
            [None, Some("Bearer anonymous"), Some("Bearer wrong"), Some("Basic YTpi"), Some("Basic Og==")]
        {
            let headers: Vec<_> = shown.map(|it| ("authorization", it)).into_iter().collect();
            let refused = world.bare(method, path, &headers, b"").await.expect(401);
            assert!(*method == "HEAD" || refused.code() == "UNAUTHORIZED");
            let scope = format!("scope=\"repository:{NAME}:pull,push\"");
            assert!(refused.header("www-authenticate").contains(&scope), "{refused:?}");
        }
    }
    world.get(&format!("/v2/{NAME}/manifests/1.0.0")).await.expect(200);
    // The token server: a client learns of it from the first call.
    let realm = format!("http://{}/token", world.host());
    let greeted = world.bare("GET", "/v2/", &[], b"").await.expect(401);
    assert_eq!(greeted.header("www-authenticate"), format!("Bearer realm=\"{realm}\",service=\"landfall\""));
    let given = world.get("/token?service=landfall").await.expect(200).json()["token"].clone();
    assert_eq!(given, TOKEN);
    world.get("/v2/").await.expect(200);
    world.bare("GET", "/token", &[], b"").await.expect(401);
    world.bare("GET", "/token", &[("authorization", "Basic YTpi")], b"").await.expect(401);
    // A page whose name leads here is none of this machine.
    let path = format!("/v2/{NAME}/manifests/1.0.0");
    let turned = world.bare("GET", &path, &[("host", "evil.example")], b"").await.expect(403);
    assert_eq!(turned.code(), "DENIED");
}

#[tokio::test]
async fn a_closed_registry_is_nothing_but_one_repository_for_its_token() {
    let open = World::new().await;
    let secret = open.push_blob("some/other", b"secret").await;
    open.push_image("some/other", "1.0.0", &[b"secret"]).await;
    let own = open.push_blob(NAME, b"own").await;
    let access = Access::closed(TOKEN.into(), NAME.parse().unwrap());
    let world = World::serving(open.disk.clone(), access).await;
    // What the store holds is for the token alone, and of that only the one repository.
    for path in [format!("/v2/{NAME}/blobs/{own}"), format!("/v2/{NAME}/tags/list")] {
        assert_eq!(world.bare("GET", &path, &[], b"").await.expect(401).code(), "UNAUTHORIZED");
    }
    world.get(&format!("/v2/{NAME}/blobs/{own}")).await.expect(200);
    for (method, path) in [
        ("GET", format!("/v2/some/other/blobs/{secret}")),
        ("GET", "/v2/some/other/manifests/1.0.0".to_owned()),
        ("GET", "/v2/some/other/tags/list".to_owned()),
        ("POST", "/v2/some/other/blobs/uploads/".to_owned()),
    ] {
        assert_eq!(world.call(method, &path, &[], b"").await.expect(403).code(), "DENIED", "{method} {path}");
    }
    // Nor can it be taken over from where it is.
    for from in ["", "&from=some%2Fother"] {
        let mount = format!("/v2/{NAME}/blobs/uploads/?mount={secret}{from}");
        world.call("POST", &mount, &[], b"").await.expect(202);
    }
    world.call("GET", &format!("/v2/{NAME}/blobs/{secret}"), &[], b"").await.expect(404);
    world.push_image(NAME, "2.0.0", &[b"new"]).await;
}

// ---- Content discovery ----

#[tokio::test]
async fn tags_are_listed_in_order_and_in_pages() {
    let world = World::new().await;
    world.push_blob(NAME, b"nothing tagged yet").await;
    let path = format!("/v2/{NAME}/tags/list");
    assert_eq!(world.get(&path).await.expect(200).json(), json!({"name": NAME, "tags": []}));
    for tag in ["b", "A", "c", "a", "1.0.new"] {
        world.push_image(NAME, tag, &[b"layer"]).await;
    }
    let all = ["1.0.new", "A", "a", "b", "c"];
    assert_eq!(world.get(&path).await.expect(200).json()["tags"], json!(all));
    assert_eq!(world.get(&format!("{path}?n=0")).await.expect(200).json()["tags"], json!([]));
    assert_eq!(world.get(&format!("{path}?n=x")).await.expect(400).code(), "SIZE_INVALID");
    let mut next = format!("{path}?n=2");
    let mut seen = Vec::new();
    for page in [2, 2, 1] {
        let got = world.get(&next).await.expect(200);
        let tags: Vec<String> = serde_json::from_value(got.json()["tags"].clone()).unwrap();
        assert_eq!(tags.len(), page);
        seen.extend(tags);
        let link = got.header("link").to_owned();
        assert_eq!(link.is_empty(), page == 1);
        if let Some(place) = link.strip_prefix('<').and_then(|rest| rest.split('>').next()) {
            assert!(link.ends_with("; rel=\"next\""));
            next = place.to_owned();
        }
    }
    assert_eq!(seen, all);
    assert_eq!(world.get(&format!("{path}?last=A")).await.expect(200).json()["tags"], json!(["a", "b", "c"]));
    assert_eq!(world.get(&format!("{path}?n=9&last=z")).await.expect(200).json()["tags"], json!([]));
}

#[tokio::test]
async fn what_was_attached_to_a_manifest_is_listed_and_filtered() {
    let world = World::new().await;
    let config = world.push_blob(NAME, b"{}").await;
    let subject =
        json!({"schemaVersion": 2, "config": Descriptor::new(media::CONFIG, config, 2), "layers": []});
    let subject = subject.to_string();
    let digest = Sha256::of(subject.as_bytes());
    let path = format!("/v2/{NAME}/referrers/{digest}");
    let none = world.get(&path).await.expect(200);
    assert_eq!(none.header("content-type"), media::INDEX);
    assert_eq!(none.json()["manifests"], json!([]));
    // Attached before the subject itself is there: one says its kind, the other has it from its configuration.
    let attach = |own: Option<&str>, kind: &str| {
        json!({"schemaVersion": 2, "mediaType": media::MANIFEST, "artifactType": own,
            "config": Descriptor::new(kind, config, 2), "layers": [],
            "subject": Descriptor::new(media::MANIFEST, digest, subject.len() as u64),
            "annotations": {"org.example": kind}})
        .to_string()
    };
    let (signature, bill) = (attach(Some("a/signature"), "a/empty"), attach(None, "a/bill"));
    for bytes in [&signature, &bill] {
        let target = Sha256::of(bytes.as_bytes()).to_string();
        let put = world.put_manifest(NAME, &target, media::MANIFEST, bytes.as_bytes()).await.expect(201);
        assert_eq!(put.header("oci-subject"), digest.to_string());
    }
    world.put_manifest(NAME, "1.0.0", media::MANIFEST, subject.as_bytes()).await.expect(201);
    let both = world.get(&path).await.expect(200).json();
    assert_eq!((both["schemaVersion"].clone(), both["manifests"].as_array().unwrap().len()), (json!(2), 2));
    let filtered = world.get(&format!("{path}?artifactType=a%2Fbill")).await.expect(200);
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    let entries = filtered.json()["manifests"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 1);
    assert_eq!(entries[0]["digest"], Sha256::of(bill.as_bytes()).to_string());
    assert_eq!(entries[0]["size"], bill.len());
    assert_eq!(entries[0]["annotations"]["org.example"], "a/bill");
    let target = Sha256::of(bill.as_bytes());
    world.call("DELETE", &format!("/v2/{NAME}/manifests/{target}"), &[], b"").await.expect(202);
    assert_eq!(world.get(&path).await.json()["manifests"].as_array().unwrap().len(), 1);
}

// ---- Content management ----

#[tokio::test]
async fn tags_manifests_and_blobs_can_be_deleted() {
    let world = World::new().await;
    let manifest = world.push_image(NAME, "1.0.0", &[b"layer"]).await;
    world.push_image(NAME, "stays", &[b"layer"]).await;
    let digest = Sha256::of(&manifest);
    let at = |target: &str| format!("/v2/{NAME}/manifests/{target}");
    world.call("DELETE", &at("1.0.0"), &[], b"").await.expect(202);
    world.get(&at("1.0.0")).await.expect(404);
    world.get(&at("stays")).await.expect(200);
    assert_eq!(world.call("DELETE", &at("1.0.0"), &[], b"").await.expect(404).code(), "MANIFEST_UNKNOWN");
    world.call("DELETE", &at(&digest.to_string()), &[], b"").await.expect(202);
    world.get(&at("stays")).await.expect(404);
    assert_eq!(world.get(&format!("/v2/{NAME}/tags/list")).await.json()["tags"], json!([]));
    let blob = format!("/v2/{NAME}/blobs/{}", Sha256::of(b"layer"));
    world.call("DELETE", &blob, &[], b"").await.expect(202);
    world.get(&blob).await.expect(404);
    assert_eq!(world.call("DELETE", &blob, &[], b"").await.expect(404).code(), "BLOB_UNKNOWN");
    assert_eq!(world.call("PUT", &blob, &[], b"").await.expect(405).code(), "UNSUPPORTED");
}

//! Given files: good ones of every kind, bad ones that are named, changes that drop no connection.

use std::fs;
use std::path::Path;

use landfall_model::Certificate;

use crate::site::{Site, ask, folder};
use crate::tools::{have, openssl};
use crate::wire::{connect, shown, trusting};

fn files(folder: &Path, certificate: &str, key: &str) -> Certificate {
    let path = |name: &str| folder.join(name).display().to_string();
    Certificate::Files { certificate: path(certificate), key: path(key) }
}

/// A key by openssl's `arguments` and a certificate of its own for a.example, good for `days`.
fn make(folder: &Path, name: &str, arguments: &str, days: u32) {
    openssl(folder, &format!("genpkey {arguments} -out {name}.key"));
    openssl(
        folder,
        &format!(
            "req -x509 -new -config /dev/null -key {name}.key -subj /CN=a.example \
             -addext subjectAltName=DNS:a.example,DNS:*.b.example -days {days} -out {name}.pem"
        ),
    );
}

/// The same, with a time of its own, which openssl has no words for.
fn make_at(folder: &Path, name: &str, from: (i32, u8, u8), to: (i32, u8, u8)) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    parameters.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
    fs::write(folder.join(format!("{name}.pem")), parameters.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";

#[tokio::test]
async fn keys_of_every_kind_are_served() {
    if !have("openssl") {
        return;
    }
    let folder = folder();
    let at = folder.path();
    make(at, "p256", P256, 10);
    make(at, "p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384", 10);
    make(at, "ed25519", "-algorithm ED25519", 10);
    make(at, "rsa", RSA, 10);
    // The older forms of the same keys.
    openssl(at, "ec -in p256.key -out sec1.key");
    openssl(at, "rsa -in rsa.key -traditional -out pkcs1.key");
    let starts = |name: &str, with: &str| fs::read_to_string(at.join(name)).unwrap().starts_with(with);
    assert!(starts("sec1.key", "-----BEGIN EC PRIVATE") && starts("pkcs1.key", "-----BEGIN RSA PRIVATE"));
    let kinds = [
        ("p256", "p256"),
        ("p384", "p384"),
        ("ed25519", "ed25519"),
        ("rsa", "rsa"),
        ("p256", "sec1"),
        ("rsa", "pkcs1"),
    ];
    for (certificate, key) in kinds {
        let site = Site::start(at).await;
        site.want(&[("a.example", &files(at, &format!("{certificate}.pem"), &format!("{key}.key")))]);
        let client = trusting(&fs::read(at.join(format!("{certificate}.pem"))).unwrap());
        let mut stream = connect(&client, site.tls, "a.example").await.expect(key);
        assert!(ask(&mut stream).await.ends_with("hello\n"));
    }
}

#[tokio::test]
async fn what_is_wrong_is_named_with_its_file() {
    if !have("openssl") {
        return;
    }
    let folder = folder();
    let at = folder.path();
    make(at, "good", P256, 10);
    make(at, "other", P256, 10);
    make_at(at, "expired", (2020, 1, 1), (2021, 1, 1));
    make_at(at, "early", (2100, 1, 1), (2101, 1, 1));
    make(at, "weak", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", 10);
    openssl(at, "pkcs8 -in good.key -topk8 -passout pass:x -out encrypted8.key");
    openssl(at, "ec -in good.key -aes128 -passout pass:x -out encrypted1.key");
    let whole = |name: &str| fs::read(at.join(name)).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(at.join(name), bytes).unwrap();
    write("truncated.pem", &whole("good.pem")[..300]);
    write("truncated.key", &whole("good.key")[..100]);
    write("empty", b"");
    write("reversed.pem", &[whole("other.pem"), whole("good.pem")].concat());
    write("unlinked.pem", &[whole("good.pem"), whole("weak.pem"), whole("expired.pem")].concat());
    write("broken.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    write("broken.key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    write("large.pem", &vec![b'x'; 300_000]);
    fs::create_dir(at.join("folder")).unwrap();
    let site = Site::start(at).await;
    let refused = |host: &str, certificate: &str, key: &str| {
        let wanted = site.wanted(host, &files(at, certificate, key));
        site.certificates
            .check(&wanted, &[])
            .map_err(|refusal| refusal.to_string().replace(&format!("{}/", at.display()), ""))
    };
    let cases = [
        ("none.pem", "good.key", "the certificate none.pem cannot be read: No such file"),
        ("good.pem", "none.key", "the key none.key cannot be read: No such file"),
        ("folder", "good.key", "the certificate folder cannot be read"),
        ("large.pem", "good.key", "the certificate large.pem cannot be read: it is larger than 262144 bytes"),
        ("empty", "good.key", "the certificate empty holds no certificate"),
        ("good.key", "good.key", "the certificate good.key holds no certificate"),
        ("truncated.pem", "good.key", "the certificate truncated.pem "),
        ("broken.pem", "good.key", "the certificate broken.pem is broken"),
        ("good.pem", "empty", "the key empty holds no key"),
        ("good.pem", "good.pem", "the key good.pem holds no key"),
        ("good.pem", "truncated.key", "the key truncated.key "),
        ("good.pem", "broken.key", "the key broken.key is of a kind that is not supported"),
        ("good.pem", "encrypted8.key", "the key encrypted8.key is encrypted"),
        ("good.pem", "encrypted1.key", "the key encrypted1.key is encrypted"),
        ("good.pem", "other.key", "the key other.key is not the key of the certificate good.pem"),
        ("weak.pem", "weak.key", "the key weak.key is of a kind that is not supported"),
        ("reversed.pem", "good.key", "the certificate reversed.pem has its certificates in the wrong order"),
        ("expired.pem", "expired.key", "the certificate expired.pem expired at 2021-01-01T00:00:00"),
        (
            "early.pem",
            "early.key",
            "the certificate early.pem is good only from 2100-01-01T00:00:00.000Z, and this machine's clock",
        ),
    ];
    for (certificate, key, says) in cases {
        let told = refused("a.example", certificate, key).expect_err(says);
        assert!(told.starts_with(says), "{told}\n{says}");
    }
    let told = refused("c.example", "good.pem", "good.key").unwrap_err();
    assert_eq!(told, "the certificate good.pem is not good for `c.example`, only for a.example, *.b.example");
    assert_eq!(refused("x.b.example", "good.pem", "good.key"), Ok(()));
    assert_eq!(refused("*", "good.pem", "good.key"), Ok(()));
    let relative = Certificate::Files { certificate: "good.pem".to_owned(), key: "good.key".to_owned() };
    let told = site.certificates.check(&site.wanted("a.example", &relative), &[]).unwrap_err();
    assert_eq!(told.to_string(), "the path good.pem must be absolute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_served_at_once_and_a_bad_one_is_not() {
    if !have("openssl") {
        return;
    }
    let folder = folder();
    let at = folder.path();
    make(at, "first", P256, 10);
    make(at, "second", RSA, 10);
    make_at(at, "expired", (2020, 1, 1), (2021, 1, 1));
    // Each file is replaced by a rename, the key first, as renewing tools do.
    let install = |name: &str| {
        for kind in ["key", "pem"] {
            fs::copy(at.join(format!("{name}.{kind}")), at.join(format!("new.{kind}"))).unwrap();
            fs::rename(at.join(format!("new.{kind}")), at.join(format!("live.{kind}"))).unwrap();
        }
    };
    install("first");
    let site = Site::start(at).await;
    let live = files(at, "live.pem", "live.key");
    site.want(&[("a.example", &live)]);
    let both = [fs::read(at.join("first.pem")).unwrap(), fs::read(at.join("second.pem")).unwrap()].concat();
    let client = trusting(&both);
    let mut open = connect(&client, site.tls, "a.example").await.unwrap();
    let first = shown(&open);
    let end = site.status("a.example").not_after;
    install("expired");
    site.until("a.example", "the expired one is named", |status| {
        status.problem.as_ref().is_some_and(|problem| problem.contains("live.pem expired at"))
    })
    .await;
    assert_eq!(site.status("a.example").not_after, end, "the good one stays");
    assert_eq!(shown(&connect(&client, site.tls, "a.example").await.unwrap()), first);
    // A route that is put again is not refused for it: what was good is served on.
    site.want(&[("a.example", &live)]);
    install("second");
    site.until("a.example", "the new one is taken", |status| status.problem.is_none()).await;
    assert!(ask(&mut open).await.ends_with("hello\n"), "the open connection goes on");
    let second = shown(&connect(&client, site.tls, "a.example").await.unwrap());
    assert!(second != first, "the new certificate is shown");
    fs::remove_file(at.join("live.key")).unwrap();
    site.until("a.example", "the missing key is named", |status| {
        status.problem.as_ref().is_some_and(|problem| problem.contains("live.key cannot be read"))
    })
    .await;
    connect(&client, site.tls, "a.example").await.unwrap();
}

#[tokio::test]
async fn two_routes_of_one_host_agree_on_its_certificate() {
    let folder = folder();
    let site = Site::start(folder.path()).await;
    let other = site.wanted("a.example", &Certificate::Internal);
    let wanted = site.wanted("a.example", &files(folder.path(), "a.pem", "a.key"));
    let told = site.certificates.check(&wanted, std::slice::from_ref(&other)).unwrap_err().to_string();
    assert!(told.contains("`app/web` has a.example") && told.contains("another certificate"), "{told}");
    let elsewhere = site.wanted("b.example", &Certificate::Internal);
    assert_eq!(site.certificates.check(&other, &[elsewhere]), Ok(()));
}

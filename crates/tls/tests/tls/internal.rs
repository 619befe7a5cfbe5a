//! The host's own authority in handshakes: which names get which certificate, and who is sent away.

use std::fs;

use landfall_fx::TlsDir;
use landfall_model::Certificate;

use crate::site::{Site, ask, folder};
use crate::wire::{connect, shown, trusting};

#[tokio::test]
async fn named_hosts_are_served_and_others_get_an_alert() {
    let folder = folder();
    let site = Site::start(folder.path()).await;
    site.want(&[("a.localhost", &Certificate::Internal), ("b.localhost", &Certificate::Internal)]);
    let root = fs::read(TlsDir::new(folder.path()).authority_certificate()).unwrap();
    let client = trusting(&root);
    for host in ["a.localhost", "b.localhost"] {
        let mut stream = connect(&client, site.tls, host).await.unwrap();
        assert!(ask(&mut stream).await.ends_with("hello\n"));
        assert_eq!(site.status(host).names, [host]);
    }
    let refused = connect(&client, site.tls, "c.localhost").await.err().unwrap();
    assert!(refused.to_string().contains("UnrecognisedName"), "{refused}");
    // By address no host is named.
    let local = site.tls.ip().to_string();
    let mut stream = connect(&client, site.tls, &local).await.unwrap();
    assert!(ask(&mut stream).await.ends_with("hello\n"));
}

#[tokio::test]
async fn any_host_gets_one_of_its_own_on_the_spot() {
    let folder = folder();
    let site = Site::start(folder.path()).await;
    site.want(&[("*", &Certificate::Internal)]);
    let client = trusting(&fs::read(TlsDir::new(folder.path()).authority_certificate()).unwrap());
    let first = shown(&connect(&client, site.tls, "x.test").await.unwrap());
    assert_eq!(first, shown(&connect(&client, site.tls, "x.test").await.unwrap()));
    assert_ne!(first, shown(&connect(&client, site.tls, "y.test").await.unwrap()));
    connect(&client, site.tls, "localhost").await.unwrap();
    // The root outlives the process, its certificates need not.
    drop(site);
    let site = Site::start(folder.path()).await;
    site.want(&[("*", &Certificate::Internal)]);
    assert_ne!(first, shown(&connect(&client, site.tls, "x.test").await.unwrap()));
}

#[tokio::test]
async fn nothing_is_made_before_it_is_needed() {
    let folder = folder();
    let site = Site::start(folder.path()).await;
    site.certificates.want(&[]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(site.certificates.status().is_empty());
}

#[tokio::test]
async fn an_authority_that_is_broken_is_named() {
    let folder = folder();
    let layout = TlsDir::new(folder.path());
    fs::create_dir_all(layout.authority()).unwrap();
    fs::write(layout.authority_certificate(), "nothing").unwrap();
    fs::write(layout.authority_key(), "nothing").unwrap();
    let site = Site::start(folder.path()).await;
    let refusal = site.certificates.check(&site.wanted("*", &Certificate::Internal), &[]).unwrap_err();
    assert!(refusal.to_string().contains("root.pem holds no certificate"), "{refusal}");
}

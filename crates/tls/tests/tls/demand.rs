//! Certificates that are ordered during a handshake, for hosts that the application approves of.

use std::sync::atomic::Ordering;

use landfall_model::Certificate;
use landfall_model::Challenge::TlsAlpn01;

use crate::pebble::{Pebble, Setup};
use crate::site::{Site, ask, folder};
use crate::wire::connect;

fn on_demand(pebble: &Pebble) -> Certificate {
    let mut acme = pebble.acme(&[TlsAlpn01]);
    acme.on_demand = Some("/allowed".to_owned());
    Certificate::Acme(acme)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_hosts_that_the_application_approves_get_one() {
    let Some(mut pebble) = Pebble::start(Setup::default()).await else {
        return;
    };
    let folder = folder();
    let wanted = on_demand(&pebble);
    let client = pebble.client().await;
    {
        let site = Site::start_at(folder.path(), pebble.site().0, None).await;
        site.want(&[("*", &wanted)]);
        site.application.allowed.lock().unwrap().push("shop.example".to_owned());
        // Several at once are one order.
        let connects = (0..4).map(|_| {
            let (client, address) = (client.clone(), site.tls);
            tokio::spawn(async move { connect(&client, address, "shop.example").await.map(|_| ()) })
        });
        for one in connects.collect::<Vec<_>>() {
            one.await.unwrap().unwrap();
        }
        assert_eq!(site.application.asked.load(Ordering::SeqCst), 1);
        for _ in 0..3 {
            assert!(connect(&client, site.tls, "evil.example").await.is_err());
        }
        assert_eq!(site.application.asked.load(Ordering::SeqCst), 2, "a refusal is remembered");
        assert!(!pebble.log().contains("evil.example"));
        let status = site.status("shop.example");
        assert!(status.not_after.is_some() && status.problem.is_none(), "{status:?}");
    }
    pebble.stop();
    // What was got before is served without asking anyone.
    let site = Site::start_at(folder.path(), pebble.site().0, None).await;
    site.want(&[("*", &wanted)]);
    let mut stream = connect(&client, site.tls, "shop.example").await.unwrap();
    assert!(ask(&mut stream).await.ends_with("hello\n"));
    assert_eq!(site.application.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_cannot_be_asked_is_said() {
    let Some(pebble) = Pebble::start(Setup::default()).await else {
        return;
    };
    let folder = folder();
    let site = Site::start_at(folder.path(), pebble.site().0, None).await;
    site.want(&[("*", &on_demand(&pebble))]);
    *site.application.down.lock().unwrap() = true;
    assert!(connect(&pebble.client().await, site.tls, "shop.example").await.is_err());
    let problem = site.status("*").problem.unwrap();
    assert!(
        problem.contains("shop.example") && problem.contains("could not be asked at /allowed"),
        "{problem}"
    );
    // Once it answers and the wait is over, it works.
    *site.application.down.lock().unwrap() = false;
    site.application.allowed.lock().unwrap().push("shop.example".to_owned());
    let client = pebble.client().await;
    while connect(&client, site.tls, "shop.example").await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

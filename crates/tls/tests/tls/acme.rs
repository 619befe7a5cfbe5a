//! Certificates from a real ACME server, and what happens when it is down, refuses, forgets or is slow.

use std::fs;

use landfall_model::Challenge::{Http01, TlsAlpn01};

use crate::pebble::{Pebble, Setup};
use crate::site::{Site, ask, folder, modes};
use crate::wire::{connect, shown};

macro_rules! pebble {
    ($setup:expr) => {
        match Pebble::start($setup).await {
            Some(pebble) => pebble,
            None => return,
        }
    };
}

async fn site(pebble: &Pebble, folder: &std::path::Path) -> Site {
    let (tls, http) = pebble.site();
    Site::start_at(folder, tls, Some(http)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_challenges_give_certificates_that_clients_take() {
    let (pebble, folder) = (pebble!(Setup::default()), folder());
    let site = site(&pebble, folder.path()).await;
    let by_http = pebble.certificate(&[Http01]);
    let by_tls = pebble.certificate(&[TlsAlpn01]);
    site.want(&[("a.example", &by_http), ("b.example", &by_http), ("c.example", &by_tls)]);
    let client = pebble.client().await;
    for host in ["a.example", "b.example", "c.example"] {
        site.until(host, "it has a certificate", |status| status.not_after.is_some()).await;
        let mut stream = connect(&client, site.tls, host).await.unwrap();
        assert!(ask(&mut stream).await.ends_with("hello\n"));
        let status = site.status(host);
        assert_eq!((status.problem, status.names), (None, vec![host.to_owned()]));
        assert!(status.issuer.unwrap().starts_with("Pebble"));
        assert!(status.next_try.unwrap() < status.not_after.unwrap());
    }
    let modes = modes(folder.path());
    assert!(modes.len() > 4, "{modes:?}");
    for (name, mode) in modes {
        let is_file = folder.path().join(&name).is_file();
        assert_eq!(mode, if is_file { 0o600 } else { 0o700 }, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_challenge_is_tried_when_the_first_fails() {
    let (pebble, folder) = (pebble!(Setup::default()), folder());
    // No plain HTTP here.
    let site = Site::start_at(folder.path(), pebble.site().0, None).await;
    site.want(&[("a.example", &pebble.certificate(&[Http01, TlsAlpn01]))]);
    site.until("a.example", "it has a certificate", |status| status.not_after.is_some()).await;
    connect(&pebble.client().await, site.tls, "a.example").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonces_refused_for_nothing_are_survived() {
    let (pebble, folder) = (pebble!(Setup { refused_nonces: 40, ..Setup::default() }), folder());
    let site = site(&pebble, folder.path()).await;
    site.want(&[("a.example", &pebble.certificate(&[Http01]))]);
    site.until("a.example", "it has a certificate", |status| status.not_after.is_some()).await;
    assert!(pebble.log().contains("Configured to reject 40% of good nonces"), "{}", pebble.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_renewed_under_open_connections() {
    let (pebble, folder) = (pebble!(Setup { life: 30, ..Setup::default() }), folder());
    let site = site(&pebble, folder.path()).await;
    site.want(&[("a.example", &pebble.certificate(&[TlsAlpn01]))]);
    site.until("a.example", "it has a certificate", |status| status.not_after.is_some()).await;
    let client = pebble.client().await;
    let first = site.status("a.example").not_after;
    let mut open = connect(&client, site.tls, "a.example").await.unwrap();
    assert!(ask(&mut open).await.ends_with("hello\n"));
    site.until("a.example", "it is renewed", |status| status.not_after > first).await;
    assert!(ask(&mut open).await.ends_with("hello\n"));
    let new = connect(&client, site.tls, "a.example").await.unwrap();
    assert!(shown(&new) != shown(&open), "the new certificate is shown");
    assert_eq!(site.status("a.example").problem, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_serves_what_is_kept_while_the_server_is_down() {
    let (mut pebble, folder) = (pebble!(Setup { life: 30, ..Setup::default() }), folder());
    let wanted = pebble.certificate(&[Http01]);
    let client = pebble.client().await;
    {
        let site = site(&pebble, folder.path()).await;
        site.want(&[("a.example", &wanted)]);
        site.until("a.example", "it has a certificate", |status| status.not_after.is_some()).await;
    }
    pebble.stop();
    let site = site(&pebble, folder.path()).await;
    site.want(&[("a.example", &wanted)]);
    let mut open = connect(&client, site.tls, "a.example").await.unwrap();
    assert!(ask(&mut open).await.ends_with("hello\n"));
    let down = |problem: &String| problem.contains("cannot be reached") && problem.contains("refused");
    site.until("a.example", "it says what is wrong", |status| {
        status.problem.as_ref().is_some_and(down) && status.next_try.is_some() && status.not_after.is_some()
    })
    .await;
    // It comes back with no memory of the account.
    pebble.resume().await;
    site.until("a.example", "it is renewed", |status| status.problem.is_none()).await;
    connect(&pebble.client().await, site.tls, "a.example").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_the_server_refuses_is_named_with_its_reason() {
    let (pebble, folder) = (pebble!(Setup::default()), folder());
    let site = Site::start_at(folder.path(), pebble.site().0, None).await;
    let by_http = pebble.certificate(&[Http01]);
    site.want(&[("blocked.example", &by_http), ("a.example", &by_http)]);
    let says = |host: &'static str, what: &'static str| {
        site.until(host, what, move |status| {
            status.problem.as_ref().is_some_and(|problem| problem.contains(what)) && status.next_try.is_some()
        })
    };
    says("blocked.example", "rejectedIdentifier").await;
    // Nobody answers there.
    says("a.example", "the ACME server could not see that a.example is ours: http-01: ").await;
    let refused = connect(&pebble.client().await, site.tls, "a.example").await.unwrap_err();
    assert!(refused.to_string().contains("InternalError"), "{refused}");
    // The wait outlives a restart.
    drop(site);
    let site = Site::start_at(folder.path(), pebble.site().0, None).await;
    site.want(&[("a.example", &by_http)]);
    assert!(site.status("a.example").problem.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_goes_on_after_a_restart() {
    let (pebble, folder) = (pebble!(Setup { refused_nonces: 0, ..Setup::default() }), folder());
    let wanted = pebble.certificate(&[Http01]);
    let orders = |pebble: &Pebble| pebble.log().matches("Added order").count();
    let mut cut = 0;
    for round in 0..40 {
        let host = format!("h{round}.example");
        {
            let site = site(&pebble, folder.path()).await;
            site.want(&[(&host, &wanted)]);
            let path = folder.path().join("acme");
            let is_open = || {
                let servers = fs::read_dir(&path).into_iter().flatten().flatten();
                servers
                    .map(|server| server.path().join(format!("hosts/{host}.json")))
                    .any(|file| file.exists())
            };
            while !is_open() && site.status(&host).not_after.is_none() {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            cut += usize::from(site.status(&host).not_after.is_none());
        }
        let before = orders(&pebble);
        let site = site(&pebble, folder.path()).await;
        site.want(&[(&host, &wanted)]);
        site.until(&host, "it has a certificate", |status| status.not_after.is_some()).await;
        assert!(orders(&pebble) <= before + 1, "{}", pebble.log());
        if cut >= 5 {
            return;
        }
    }
    panic!("no order was ever cut short");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_to_wait_is_heeded() {
    let (folder, kept) = (folder(), folder());
    // An ACME server that has too much to do, behind a certificate of an authority of its own.
    let server = Site::start_saying(
        folder.path(),
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 3000\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    server.want(&[("*", &landfall_model::Certificate::Internal)]);
    let site = Site::start(kept.path()).await;
    let acme = landfall_model::Acme {
        directory: format!("https://{}/dir", server.tls),
        email: None,
        authority: Some(folder.path().join("authority/root.pem").display().to_string()),
        challenges: vec![Http01],
        on_demand: None,
    };
    site.want(&[("a.example", &landfall_model::Certificate::Acme(acme))]);
    let says = format!("the ACME server {} answers 503 Service Unavailable", server.tls);
    site.until("a.example", "the server's word is shown", |status| status.problem.as_ref() == Some(&says))
        .await;
    let now = landfall_fx::Clock::now(&landfall_fx::SystemClock::new());
    let wait = site.status("a.example").next_try.unwrap().since(now);
    assert!(wait.as_secs() > 2000 && wait.as_secs() <= 3000, "{wait:?}");
}

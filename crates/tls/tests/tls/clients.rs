//! Clients that are not ours: what curl and openssl make of our handshakes.

use std::fs;

use landfall_fx::TlsDir;
use landfall_model::Certificate;

use crate::site::{Site, folder};
use crate::tools::{have, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_agrees_on_versions_protocols_tickets_and_alerts() {
    if !have("openssl") {
        return;
    }
    let folder = folder();
    let site = Site::start(folder.path()).await;
    site.want(&[("a.localhost", &Certificate::Internal)]);
    let root = TlsDir::new(folder.path()).authority_certificate().display().to_string();
    let (address, home) = (site.tls.to_string(), folder.path().to_owned());
    let client = |more: &[&str]| {
        let common = ["s_client", "-connect", &address, "-CAfile", &root, "-verify_return_error"];
        run(&home, "openssl", &[&common, more].concat())
    };
    let named = ["-servername", "a.localhost", "-verify_hostname", "a.localhost"];
    for (version, shown) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (done, text) = client(&[&named[..], &[version, "-alpn", "h2,http/1.1"]].concat());
        assert!(done && text.contains(shown) && text.contains("ALPN protocol: h2"), "{text}");
        assert!(text.contains("Verify return code: 0 (ok)"), "{text}");
    }
    let (done, text) = client(&[&named[..], &["-tls1_1", "-cipher", "ALL@SECLEVEL=0"]].concat());
    assert!(!done && text.contains("alert") && text.contains("no peer certificate"), "{text}");
    let (done, text) = client(&["-servername", "other.localhost"]);
    assert!(!done && text.contains("unrecognized name"), "{text}");
    let (done, text) = client(&[&named[..], &["-alpn", "acme-tls/1"]].concat());
    assert!(!done && text.contains("unrecognized name"), "{text}");
    // A session is resumed, also on another connection of another worker: its state is in the ticket.
    let session = folder.path().join("session").display().to_string();
    let (_, first) = client(&[&named[..], &["-tls1_2", "-sess_out", &session]].concat());
    let (_, second) = client(&[&named[..], &["-tls1_2", "-sess_in", &session]].concat());
    assert!(first.contains("New, TLSv1.2") && second.contains("Reused, TLSv1.2"), "{second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_trusts_the_authority_and_nothing_else() {
    if !have("curl") {
        return;
    }
    let folder = folder();
    let site = Site::start(folder.path()).await;
    site.want(&[("*", &Certificate::Internal)]);
    let root = TlsDir::new(folder.path()).authority_certificate();
    fs::metadata(&root).unwrap();
    let port = site.tls.port();
    let to = format!("a.localhost:{port}:{}", site.tls.ip());
    let url = format!("https://a.localhost:{port}/");
    let curl = ["-sS", "--http1.1", "--max-time", "20", "--resolve", &to];
    let trusting = [&curl[..], &["--cacert", root.to_str().unwrap(), &url]].concat();
    assert_eq!(run(folder.path(), "curl", &trusting), (true, "hello\n".to_owned()));
    let (done, text) = run(folder.path(), "curl", &[&curl[..], &[&url]].concat());
    assert!(!done && text.contains("certificate"), "{text}");
}

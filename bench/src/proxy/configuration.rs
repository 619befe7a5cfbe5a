//! The configurations of the peers and of the back end: two workers, no access log, connections to the back end kept.
//!
//! Limits that would make a peer close connections or write to the disk in a benchmark are lifted: what is measured is
//! each one at its best.

use std::path::{Path, PathBuf};

/// Where a proxy listens and where it sends requests, as `127.0.0.1:PORT`.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// For plain HTTP.
    pub(crate) front: String,
    /// The back end.
    pub(crate) back: String,
    /// For HTTPS too, and with what.
    pub(crate) tls: Option<TlsPlace>,
}

/// Where a proxy listens for HTTPS.
#[derive(Debug, Clone)]
pub(crate) struct TlsPlace {
    /// `127.0.0.1:PORT`.
    pub(crate) front: String,
    /// The certificate, its key, and both in one file; in PEM form.
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) both: PathBuf,
}

/// The back end: a small answer from memory on `/`, the files of `files` below `/files/`.
pub(crate) fn back_end(folder: &Path, listen: &str, files: &Path) -> String {
    let files = files.display();
    nginx_around(
        folder,
        &format!(
            "  server {{\n    listen {listen} backlog=8192;\n    default_type text/plain;\n    \
             location / {{ return 200 \"hello from the back end\\n\"; }}\n    \
             location /files/ {{ alias {files}/; sendfile on; tcp_nopush on; }}\n  }}\n"
        ),
    )
}

/// nginx as a proxy.
pub(crate) fn nginx(folder: &Path, places: &Places) -> String {
    let Places { front, back, tls } = places;
    let tls = tls.as_ref().map_or_else(String::new, |TlsPlace { front, chain, key, .. }| {
        format!(
            "listen {front} ssl backlog=8192;\n    ssl_certificate {};\n    ssl_certificate_key {};\n    \
             ssl_protocols TLSv1.2 TLSv1.3;\n    ",
            chain.display(),
            key.display()
        )
    });
    nginx_around(
        folder,
        &format!(
            "  upstream back {{ server {back}; keepalive 1024; keepalive_requests 1000000000; }}\n  server {{\n    \
             listen {front} backlog=8192;\n    {tls}location / {{\n      proxy_pass http://back;\n      \
             proxy_http_version 1.1;\n      proxy_max_temp_file_size 0;\n      \
             proxy_set_header Connection \"\";\n      proxy_set_header Host $host;\n      \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n      \
             proxy_set_header X-Forwarded-Proto $scheme;\n      proxy_set_header X-Forwarded-Host $host;\n    \
             }}\n  }}\n"
        ),
    )
}

fn nginx_around(folder: &Path, server: &str) -> String {
    let folder = folder.display();
    format!(
        "daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log crit;\nworker_processes 2;\n\
         events {{ worker_connections 16384; }}\nhttp {{\n  access_log off;\n  \
         keepalive_requests 1000000000;\n  keepalive_timeout 600s;\n{server}}}\n"
    )
}

/// `HAProxy`.
pub(crate) fn haproxy(places: &Places) -> String {
    let Places { front, back, tls } = places;
    let tls = tls.as_ref().map_or_else(String::new, |TlsPlace { front, both, .. }| {
        format!("  bind {front} ssl crt {} backlog 8192\n", both.display())
    });
    format!(
        "global\n  nbthread 2\n  maxconn 8192\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
         timeout server 60s\n  option http-keep-alive\n  option forwardfor\n  http-reuse always\nfrontend front\n  \
         bind {front} backlog 8192\n{tls}  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]\n  default_backend back\n\
         backend back\n  server one {back} pool-max-conn 4096\n"
    )
}

/// Caddy; its threads are set by `GOMAXPROCS`, and it sets `X-Forwarded-*` by itself.
pub(crate) fn caddy(places: &Places) -> String {
    let Places { front, back, tls } = places;
    let site = |address: &str, tls: &str| {
        format!(
            "{address} {{\n  bind 127.0.0.1\n{tls}  reverse_proxy {back} {{\n    transport http {{\n      \
             keepalive_idle_conns_per_host 2048\n      keepalive_idle_conns 4096\n    }}\n  }}\n}}\n"
        )
    };
    let tls = tls.as_ref().map_or_else(String::new, |TlsPlace { front, chain, key, .. }| {
        let port = front.rsplit(':').next().unwrap_or_default();
        let tls = format!("  tls {} {}\n", chain.display(), key.display());
        site(&format!("https://localhost:{port}"), &tls)
    });
    let plain = site(&format!("http://{front}"), "");
    format!("{{\n  admin off\n  auto_https off\n  log {{\n    level ERROR\n  }}\n}}\n{plain}{tls}")
}

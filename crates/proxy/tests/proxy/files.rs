//! A folder behind a route.

use std::fs;
use std::os::unix::fs::symlink;

use hyper::Request;
use landfall_proxy::Backend;

use crate::support::{Proxy, ask, connect, full, get, raw, until};

/// A site with a bit of everything, beside a file that must never be seen.
fn site() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("site");
    for name in ["sub/deep", ".well-known", ".git", "empty"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    let large: Vec<u8> = (0..300_000).map(|index| (index % 251) as u8).collect();
    let files: [(&str, &[u8]); 10] = [
        ("../secret.txt", b"SECRET"),
        ("index.html", b"<h1>home</h1>"),
        ("404.html", b"<h1>lost</h1>"),
        ("app.js", b"0123456789"),
        ("a b.txt", b"space"),
        ("sub/index.html", b"sub"),
        (".env", b"SECRET"),
        (".git/config", b"SECRET"),
        (".well-known/x", b"known"),
        ("large.bin", &large),
    ];
    for (name, bytes) in files {
        fs::write(root.join(name), bytes).unwrap();
    }
    symlink("../secret.txt", root.join("out.txt")).unwrap();
    symlink("/etc", root.join("etc")).unwrap();
    symlink("app.js", root.join("in.js")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    folder
}

async fn serving(label: &str) -> (Proxy, tempfile::TempDir) {
    let proxy = Proxy::start().await;
    let folder = site();
    let mut route = proxy.route(label, &[]);
    route.prefix = "/docs".to_owned();
    route.strip = true;
    route.pools[0].pool.backend = Backend::Files { root: folder.path().join("site") };
    proxy.client.put_route(&route).await.unwrap();
    (proxy, folder)
}

#[tokio::test]
async fn files_are_served() {
    let (proxy, _folder) = serving("1").await;
    let cases = [
        ("/docs/", 200, "text/html; charset=utf-8", "<h1>home</h1>"),
        ("/docs", 200, "text/html; charset=utf-8", "<h1>home</h1>"),
        ("/docs/app.js?v=1", 200, "text/javascript; charset=utf-8", "0123456789"),
        ("/docs/in.js", 200, "text/javascript; charset=utf-8", "0123456789"),
        ("/docs/a%20b.txt", 200, "text/plain; charset=utf-8", "space"),
        ("/docs/sub/", 200, "text/html; charset=utf-8", "sub"),
        ("/docs/.well-known/x", 200, "application/octet-stream", "known"),
        ("/docs/none", 404, "text/html; charset=utf-8", "<h1>lost</h1>"),
        ("/docs/empty/", 404, "text/html; charset=utf-8", "<h1>lost</h1>"),
        ("/docs/empty", 404, "text/html; charset=utf-8", "<h1>lost</h1>"),
        ("/docs/app.js/", 404, "text/html; charset=utf-8", "<h1>lost</h1>"),
        ("/docs/loop", 404, "text/html; charset=utf-8", "<h1>lost</h1>"),
    ];
    for (path, status, kind, text) in cases {
        let answer = get(proxy.listen, path, &[]).await;
        let got = (answer.status, answer.header("content-type"), answer.text.as_str());
        assert_eq!(got, (status, kind, text), "{path}");
        assert_eq!(answer.header("content-length"), text.len().to_string(), "{path}");
    }
    let answer = get(proxy.listen, "/docs/sub?x=1", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (308, "/docs/sub/?x=1"));
    let mut sender = connect(proxy.listen).await;
    let request = Request::head("/docs/app.js").header("host", "x").body(full("")).unwrap();
    let answer = ask(&mut sender, request).await.unwrap();
    assert_eq!((answer.header("content-length"), answer.text.as_str()), ("10", ""));
    let request = Request::post("/docs/app.js").header("host", "x").body(full("x")).unwrap();
    let answer = ask(&mut sender, request).await.unwrap();
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
    // An answer may arrive a moment before the request is done.
    until("all is done", async || proxy.client.status().await.unwrap().routes[0].pools[0].inflight == 0)
        .await;
    assert_eq!(proxy.client.status().await.unwrap().routes[0].pools[0].failed, 0);
}

#[tokio::test]
async fn no_path_leads_out() {
    let (proxy, _folder) = serving("1").await;
    let paths = [
        "/docs/../secret.txt",
        "/docs/sub/../../secret.txt",
        "/docs/%2e%2e/secret.txt",
        "/docs/..%2fsecret.txt",
        "/docs/%2e%2e%2fsecret.txt",
        "/docs/..%5csecret.txt",
        "/docs/sub/%2e./%2e./secret.txt",
        "/docs/./secret.txt",
        "/docs//../secret.txt",
        "/docs/out.txt",
        "/docs/etc/passwd",
        "/docs//etc/passwd",
        "/docs/.env",
        "/docs/%2eenv",
        "/docs/.git/config",
        "/docs/app.js%00.html",
        "/docs/%ff",
        "/docs/%",
    ];
    for path in paths {
        // By hand, for a client would tidy the path up.
        let answer = raw(
            proxy.listen,
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(!answer.contains("SECRET") && !answer.contains("root:"), "{path}: {answer}");
    }
    let answer = raw(proxy.listen, b"GET //docs/sub HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!answer.contains("location: //"), "{answer}");
}

#[tokio::test]
async fn conditions_and_ranges_are_kept() {
    let (proxy, folder) = serving("1").await;
    let path = "/docs/app.js";
    let first = get(proxy.listen, path, &[]).await;
    let (tag, date) = (first.header("etag").to_owned(), first.header("last-modified").to_owned());
    let cases = [
        (vec![("if-none-match", tag.as_str())], 304, ""),
        (vec![("if-none-match", "\"other\", W/x")], 200, "0123456789"),
        (vec![("if-none-match", "*")], 304, ""),
        (vec![("if-modified-since", date.as_str())], 304, ""),
        (vec![("if-modified-since", date.as_str()), ("if-none-match", "\"other\"")], 200, "0123456789"),
        (vec![("range", "bytes=2-4")], 206, "234"),
        (vec![("range", "bytes=-2")], 206, "89"),
        (vec![("range", "bytes=2-4"), ("if-range", tag.as_str())], 206, "234"),
        (vec![("range", "bytes=2-4"), ("if-range", "\"other\"")], 200, "0123456789"),
        (vec![("range", "bytes=2-4,6-7")], 200, "0123456789"),
    ];
    for (headers, status, text) in cases {
        let answer = get(proxy.listen, path, &headers).await;
        assert_eq!((answer.status, answer.text.as_str()), (status, text), "{headers:?}");
    }
    let answer = get(proxy.listen, path, &[("range", "bytes=10-")]).await;
    assert_eq!((answer.status, answer.header("content-range")), (416, "bytes */10"));
    // A file that is streamed, and a part of it.
    let large = fs::read(folder.path().join("site/large.bin")).unwrap();
    let mut sender = connect(proxy.listen).await;
    for (range, want) in [(None, &large[..]), (Some("bytes=100000-249999"), &large[100_000..250_000])] {
        let mut request = Request::get("/docs/large.bin").header("host", "x");
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let answer = sender.send_request(request.body(full("")).unwrap()).await.unwrap();
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        assert!(body == want, "{range:?}");
        sender.ready().await.unwrap();
    }
    // The same files under another label are others: size and time may be the same by accident.
    let mut route = proxy.client.status().await.unwrap().routes.remove(0).config;
    route.pools[0].pool.label = "2".to_owned();
    proxy.client.put_route(&route).await.unwrap();
    assert_eq!(get(proxy.listen, path, &[("if-none-match", &tag)]).await.status, 200);
    route.pools[0].pool.backend = Backend::Files { root: folder.path().join("none") };
    assert!(proxy.client.put_route(&route).await.is_err());
}

#[tokio::test]
async fn files_come_in_the_smallest_form_that_the_client_takes() {
    let (proxy, folder) = serving("1").await;
    let root = folder.path().join("site");
    let text = "a line of text that comes again and again\n".repeat(100);
    fs::create_dir(root.join("assets")).unwrap();
    for (name, content) in [
        ("long.css", text.as_bytes()),
        ("assets/index-BfG3kL9a.js", b"built"),
        ("built.js", text.as_bytes()),
        ("built.js.br", b"as brotli"),
        ("built.js.gz", b"as gzip"),
    ] {
        fs::write(root.join(name), content).unwrap();
    }
    let ask = async |path: &str, accept: &str| get(proxy.listen, path, &[("accept-encoding", accept)]).await;
    let plain = ask("/docs/long.css", "").await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"));
    assert_eq!((plain.text.as_str(), plain.header("cache-control")), (text.as_str(), "no-cache"));
    for _ in 0..2 {
        let small = ask("/docs/long.css", "deflate, gzip").await;
        assert_eq!((small.status, small.header("content-encoding")), (200, "gzip"));
        assert!(small.header("content-length").parse::<usize>().unwrap() < text.len() / 5);
        assert_ne!(small.header("etag"), plain.header("etag"), "two forms are two entities");
        let again = [("accept-encoding", "gzip"), ("if-none-match", small.header("etag"))];
        assert_eq!(get(proxy.listen, "/docs/long.css", &again).await.status, 304);
    }
    for (accept, coding, want) in
        [("gzip, br", "br", "as brotli"), ("gzip", "gzip", "as gzip"), ("br;q=0", "", &text)]
    {
        let built = ask("/docs/built.js", accept).await;
        assert_eq!((built.header("content-encoding"), built.text.as_str()), (coding, want), "{accept}");
        assert_eq!(built.header("content-type"), "text/javascript; charset=utf-8");
    }
    // A part is one of the file as it is; what is small or no text is left alone.
    let part =
        get(proxy.listen, "/docs/long.css", &[("accept-encoding", "gzip"), ("range", "bytes=0-5")]).await;
    assert_eq!((part.status, part.text.as_str(), part.header("content-encoding")), (206, "a line", ""));
    for path in ["/docs/app.js", "/docs/large.bin"] {
        assert_eq!(ask(path, "gzip").await.header("content-encoding"), "", "{path}");
    }
    let hashed = ask("/docs/assets/index-BfG3kL9a.js", "gzip").await;
    assert_eq!(hashed.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(ask("/docs/", "gzip").await.header("cache-control"), "no-cache");
}

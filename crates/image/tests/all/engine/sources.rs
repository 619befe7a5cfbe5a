//! Small sources that really run. They need nothing but what they name, from the registries that the base images reach.

use std::process::{Command, Stdio};

use landfall_model::Command as Run;

use crate::samples::Sample;

const HTTP: &str = r#"
import http.server, os

def serve(text):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())
    http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"#;
const APP: &str = "import http_server, six\nhttp_server.serve('hello from six ' + six.__version__)\n";
const REQUIREMENTS: &str = "six==1.17.0 \
    --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274 \
    --hash=sha256:ff70335d468e7eb6ec65b95b99d3a2836546063f63acc5171de367e834932a81\n";

pub(crate) fn python_pip() -> Sample {
    let files = [("app.py", APP), ("http_server.py", HTTP), ("requirements.txt", REQUIREMENTS)];
    Sample::web("python-pip", "python app.py", &files)
}

pub(crate) fn python_uv() -> Sample {
    let project = "[project]\nname = \"hello\"\nversion = \"1.0.0\"\nrequires-python = \">=3.11\"\n";
    let lock = "version = 1\nrevision = 3\nrequires-python = \">=3.11\"\n\n[[package]]\nname = \"hello\"\nversion = \"1.0.0\"\n\
                source = { virtual = \".\" }\n";
    let main = "import http_server\nhttp_server.serve('hello from src')\n";
    let files = [
        ("pyproject.toml", project),
        ("uv.lock", lock),
        ("src/hello/__main__.py", main),
        ("src/http_server.py", HTTP),
    ];
    Sample::web("python-uv", "python -m hello", &files)
}

const PACKAGE: &str = r#"{
  "name": "hello",
  "version": "1.0.0",
  "scripts": { "start": "node server.js", "build": "node build.js", "prepare": "no-such-program" },
  "dependencies": { "ms": "2.1.3" },
  "devDependencies": { "isarray": "2.0.5" }
}"#;
const PACKAGE_LOCK: &str = r#"{
  "name": "hello",
  "version": "1.0.0",
  "lockfileVersion": 3,
  "packages": {
    "": {
      "name": "hello",
      "version": "1.0.0",
      "dependencies": { "ms": "2.1.3" },
      "devDependencies": { "isarray": "2.0.5" }
    },
    "node_modules/isarray": {
      "version": "2.0.5",
      "integrity": "sha512-xHjhDr3cNBK0BzdUJSPXZntQUx/mwMS5Rw4A7lPJ90XGAO6ISP/ePDNuo0vhqOZU+UD5JoodwCAAoZQd3FeAKw==",
      "dev": true
    },
    "node_modules/ms": {
      "version": "2.1.3",
      "integrity": "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="
    }
  }
}"#;
const PNPM_LOCK: &str = "lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .:
    dependencies:
      ms:
        specifier: 2.1.3
        version: 2.1.3
    devDependencies:
      isarray:
        specifier: 2.0.5
        version: 2.0.5

packages:

  isarray@2.0.5:
    resolution: {integrity: sha512-xHjhDr3cNBK0BzdUJSPXZntQUx/mwMS5Rw4A7lPJ90XGAO6ISP/ePDNuo0vhqOZU+UD5JoodwCAAoZQd3FeAKw==}

  ms@2.1.3:
    resolution: {integrity: sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==}

snapshots:

  isarray@2.0.5: {}

  ms@2.1.3: {}
";
const SERVER: &str =
    "const text = `hello after ${require('ms')('2 days')} ms, ${require('fs').readFileSync('made.txt')}`;
require('http').createServer((_, answer) => answer.end(text)).listen(process.env.PORT, process.env.HOST);
";
const BUILD: &str = "require('isarray');\nrequire('fs').writeFileSync('made.txt', 'built');\n";

pub(crate) fn node_npm() -> Sample {
    let files = [
        ("package.json", PACKAGE),
        ("package-lock.json", PACKAGE_LOCK),
        ("server.js", SERVER),
        ("build.js", BUILD),
    ];
    Sample::web("node-npm", "node server.js", &files).build("npm run build")
}

pub(crate) fn node_pnpm() -> Sample {
    let files = [
        ("package.json", PACKAGE),
        ("pnpm-lock.yaml", PNPM_LOCK),
        ("server.js", SERVER),
        ("build.js", BUILD),
    ];
    Sample::web("node-pnpm", "pnpm start", &files).build("pnpm build")
}

pub(crate) fn python_with_node() -> Sample {
    let files = [
        ("app.py", APP),
        ("http_server.py", HTTP),
        ("requirements.txt", REQUIREMENTS),
        ("package.json", PACKAGE),
        ("package-lock.json", PACKAGE_LOCK),
        ("build.js", BUILD),
    ];
    let sample = Sample::web("python-with-node", "python app.py", &files);
    // The base image of Node says whom it trusts, that of Python does not.
    Sample { args: vec!["NODE_EXTRA_CA_CERTS"], ..sample.build("node build.js && python -c 'import six'") }
}

/// A site whose build sees a variable of the environment.
pub(crate) fn node_site() -> Sample {
    let build = "const fs = require('fs');\nfs.mkdirSync('dist');\n\
                 fs.writeFileSync('dist/index.html', `made for ${process.env.NAME}`);\n";
    let sample = Sample::site("node-site", "dist", &[("build.js", build)]).build("node build.js");
    Sample { env: vec!["NAME"], ..sample }
}

/// A server in C, and its program; `None` where it cannot be compiled.
pub(crate) fn program() -> Option<(Sample, Vec<u8>)> {
    let code = r#"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(atoi(getenv("PORT"))) };
    inet_pton(AF_INET, getenv("HOST"), &at.sin_addr);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (struct sockaddr *)&at, sizeof at) || listen(server, 8)) return 1;
    const char *answer = "HTTP/1.0 200 OK\r\n\r\nhello from a program";
    char request[4096];
    for (;;) {
        int client = accept(server, 0, 0);
        if (read(client, request, sizeof request) > 0) (void)!write(client, answer, strlen(answer));
        close(client);
    }
}
"#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("server.c"), code).unwrap();
    let compiled = Command::new("cc")
        .args(["-static", "-o", "server", "server.c"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    compiled.ok().filter(std::process::ExitStatus::success)?;
    let sample = Sample {
        run: Some(Run::Words(vec!["./server".to_owned()])),
        ..Sample::web("program", "", &[("server", "")])
    };
    Some((sample, std::fs::read(folder.path().join("server")).unwrap()))
}

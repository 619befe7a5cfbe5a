//! Serves a folder as the agent serves its image store, so that a conformance suite or a client can be pointed at it:
//! `cargo run -p landfall-oci --example registry -- FOLDER PORT TOKEN`.

use std::path::Path;

use landfall_artifact::Store;
use landfall_fx::SystemRandom;
use landfall_oci::{Images, server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, port, token] = arguments.as_slice() else {
        return Err(std::io::Error::other("three arguments: a folder, a port (0: any), the token"));
    };
    let folder = Path::new(folder);
    let images = Images::open(&folder.join("images"), Store::open(&folder.join("store"))?)?;
    let listener = server::listen(port.parse().ok()).await?;
    println!("http://{}", listener.local_addr()?);
    let access = server::Access::whole(token.clone().into());
    server::serve(images, access, Box::new(SystemRandom), listener, std::future::pending()).await;
    Ok(())
}

//! Small trees of files, made from a list.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

/// What is made at a path.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    File(Vec<u8>, bool),
    Link(String),
    Folder,
}

pub(crate) fn file(content: &str) -> Node {
    Node::File(content.as_bytes().to_vec(), false)
}

pub(crate) fn link(target: &str) -> Node {
    Node::Link(target.to_owned())
}

/// Makes one path below `root`, private or open to all as `mask` says.
pub(crate) fn make(root: &Path, path: &str, node: &Node, mask: u32) {
    let here = root.join(path);
    fs::create_dir_all(here.parent().unwrap()).unwrap();
    match node {
        Node::File(content, executable) => {
            fs::write(&here, content).unwrap();
            let mode = if *executable { 0o777 } else { 0o666 };
            fs::set_permissions(&here, Permissions::from_mode(mode & !mask)).unwrap();
        }
        Node::Link(target) => symlink(target, &here).unwrap(),
        Node::Folder => fs::create_dir_all(&here).unwrap(),
    }
}

/// A new folder with these paths.
pub(crate) fn tree(nodes: &[(&str, Node)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, node) in nodes {
        make(folder.path(), path, node, 0o022);
    }
    folder
}

/// Ordinary files with their own paths as content.
pub(crate) fn files(paths: &[&str]) -> tempfile::TempDir {
    tree(&paths.iter().map(|path| (*path, file(path))).collect::<Vec<_>>())
}

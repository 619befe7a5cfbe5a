//! Where the files of a service come from: a folder, or a bundle in a store. Whoever asks does not see which.

/// The largest file that is read, in bytes: 4 MiB. Lock files of large projects stay well below.
pub const MAX_READ: u64 = 4 * 1024 * 1024;

/// The files of a service's source.
pub trait Source {
    /// The paths of all regular files and links, relative, parts separated by `/`, sorted by their bytes.
    fn files(&self) -> Vec<String>;

    /// The content of a file; `None` when it is not there, is larger than [`MAX_READ`] or cannot be read.
    fn read(&self, path: &str) -> Option<Vec<u8>>;
}

/// Files in memory, for what has no folder: path and content.
impl Source for std::collections::BTreeMap<String, Vec<u8>> {
    fn files(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.get(path).cloned()
    }
}

//! The build context as a tar stream that is the same for the same files, so that a builder finds its layers again.

use std::io::{self, Read};

use landfall_model::Timestamp;
use tar::{Builder, EntryType, Header};

/// The bytes of a tar block, and of the two empty ones at the end.
const BLOCK: usize = 512;

/// 1980-01-01 in seconds since 1970.
const FIRST_DAY: u64 = 315_532_800;

/// One path of a build context.
#[derive(Debug)]
pub struct Entry<R> {
    /// Relative to the context, parts separated by `/`.
    pub path: String,
    /// When it became what it is, in whole seconds; of a folder or a link it is not looked at.
    pub modified: Timestamp,
    /// What lies there.
    pub what: What<R>,
}

/// What lies at a path of a build context.
#[derive(Debug)]
pub enum What<R> {
    /// A regular file.
    File {
        /// Its length in bytes.
        size: u64,
        /// Whether it may be executed: mode 0755, else 0644.
        executable: bool,
        /// Its bytes, `size` of them.
        content: R,
    },
    /// A symbolic link that holds this.
    Link(String),
    /// A folder, mode 0755. Folders above other entries need not be named.
    Folder,
}

/// The entries as a tar stream, made while it is read. All belong to root. Folders and links are of 1980-01-01, the first
/// day that a ZIP archive knows; a builder does not look at times when it searches for a layer, while servers of static
/// files do.
///
/// The entries must come sorted by the bytes of their paths. An error in the middle, a content that is shorter or longer
/// than it says, or entries out of order end the stream with an error.
pub fn context<R: Read>(entries: impl Iterator<Item = io::Result<Entry<R>>>) -> impl Read {
    Context { entries, ready: Vec::new(), at: 0, content: None, folders: Vec::new(), state: State::Entries }
}

/// What comes next in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Entries,
    Over,
}

struct Context<I, R> {
    entries: I,
    /// Bytes that are ready to be given, from `at` on.
    ready: Vec<u8>,
    at: usize,
    /// The content of a file that is under way.
    content: Option<Content<R>>,
    /// The folder that the last entry lay in, part by part.
    folders: Vec<String>,
    state: State,
}

struct Content<R> {
    path: String,
    from: R,
    left: u64,
    size: u64,
}

impl<I: Iterator<Item = io::Result<Entry<R>>>, R: Read> Context<I, R> {
    /// Makes the next bytes ready; false when there are no more.
    fn next(&mut self) -> io::Result<bool> {
        self.ready.clear();
        self.at = 0;
        if self.state == State::Over {
            return Ok(false);
        }
        let Some(entry) = self.entries.next() else {
            self.state = State::Over;
            self.ready.resize(2 * BLOCK, 0);
            return Ok(true);
        };
        let Entry { path, modified, what } = entry?;
        self.folders_above(&path)?;
        match what {
            What::File { size, executable, content } => {
                let mode = if executable { 0o755 } else { 0o644 };
                let mut header = header(EntryType::Regular, mode, size, modified.millis() / 1000);
                self.append(|tar| tar.append_data(&mut header, &path, io::empty()))?;
                self.content = Some(Content { path, from: content, left: size, size });
            }
            What::Link(target) => {
                let mut header = header(EntryType::Symlink, 0o777, 0, FIRST_DAY);
                self.append(|tar| tar.append_link(&mut header, &path, &target))?;
            }
            What::Folder => self.folder(&path)?,
        }
        Ok(true)
    }

    /// Names the folders above a path that were not named yet, so that a builder makes none of its own.
    fn folders_above(&mut self, path: &str) -> io::Result<()> {
        let above: Vec<&str> = path.split('/').collect();
        let above = &above[..above.len() - 1];
        let same = self.folders.iter().zip(above).take_while(|(known, part)| known == *part).count();
        self.folders.truncate(same);
        for part in &above[same..] {
            self.folders.push((*part).to_owned());
            self.folder(&self.folders.join("/"))?;
        }
        Ok(())
    }

    fn folder(&mut self, path: &str) -> io::Result<()> {
        let mut header = header(EntryType::Directory, 0o755, 0, FIRST_DAY);
        self.append(|tar| tar.append_data(&mut header, format!("{path}/"), io::empty()))
    }

    /// Adds what a tar writer says of one entry, its content left out.
    fn append(&mut self, say: impl FnOnce(&mut Builder<Vec<u8>>) -> io::Result<()>) -> io::Result<()> {
        let mut tar = Builder::new(std::mem::take(&mut self.ready));
        let said = say(&mut tar);
        self.ready = std::mem::take(tar.get_mut());
        said
    }
}

impl<I: Iterator<Item = io::Result<Entry<R>>>, R: Read> Read for Context<I, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            if self.at < self.ready.len() {
                let length = into.len().min(self.ready.len() - self.at);
                into[..length].copy_from_slice(&self.ready[self.at..self.at + length]);
                self.at += length;
                return Ok(length);
            }
            let Some(content) = &mut self.content else {
                if self.next()? {
                    continue;
                }
                return Ok(0);
            };
            let length = content.read(into)?;
            if length > 0 {
                return Ok(length);
            }
            let padding = content.size.next_multiple_of(BLOCK as u64) - content.size;
            self.content = None;
            self.at = 0;
            self.ready.clear();
            self.ready.resize(usize::try_from(padding).unwrap_or_default(), 0);
        }
    }
}

fn header(kind: EntryType, mode: u32, size: u64, modified: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(modified);
    header.set_size(size);
    header
}

impl<R: Read> Content<R> {
    /// Reads on; 0 at the end, which comes when it was announced to.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let changed = |how: &str| {
            let message = format!("{} is {how} than it was when the context was made", self.path);
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        if self.left == 0 {
            return if self.from.read(&mut [0])? == 0 { Ok(0) } else { Err(changed("longer")) };
        }
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.from.read(&mut into[..most])?;
        if length == 0 {
            return Err(changed("shorter"));
        }
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modified() -> Timestamp {
        Timestamp::from_millis(1_000_500)
    }

    fn file(path: &str, content: &'static str) -> io::Result<Entry<&'static [u8]>> {
        let what = What::File { size: content.len() as u64, executable: false, content: content.as_bytes() };
        Ok(Entry { path: path.to_owned(), modified: modified(), what })
    }

    fn stream(entries: Vec<io::Result<Entry<&'static [u8]>>>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        context(entries.into_iter()).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn a_tar_reader_finds_what_was_put_in() {
        let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
        let executable = What::File { size: 2, executable: true, content: &b"#!"[..] };
        let entries = vec![
            file("a/b/c.txt", "hello"),
            Ok(Entry {
                path: "a/b/link".to_owned(),
                modified: modified(),
                what: What::Link("../x".to_owned()),
            }),
            Ok(Entry { path: "a/empty".to_owned(), modified: modified(), what: What::Folder }),
            Ok(Entry { path: "a/run".to_owned(), modified: modified(), what: executable }),
            file("blank", ""),
            file(&long, "deep"),
        ];
        let bytes = stream(entries).unwrap();
        assert_eq!(bytes.len() % BLOCK, 0);
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let header = entry.header();
            let modified = if header.entry_type().is_file() { 1000 } else { FIRST_DAY };
            assert_eq!(
                (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()),
                (0, 0, modified)
            );
            let target =
                entry.link_name().unwrap().map(|target| target.display().to_string()).unwrap_or_default();
            found.push((entry.path().unwrap().display().to_string(), header.mode().unwrap(), text + &target));
        }
        let expected = [
            ("a/", 0o755, ""),
            ("a/b/", 0o755, ""),
            ("a/b/c.txt", 0o644, "hello"),
            ("a/b/link", 0o777, "../x"),
            ("a/empty/", 0o755, ""),
            ("a/run", 0o755, "#!"),
            ("blank", 0o644, ""),
            (&format!("{}/", "d".repeat(120)), 0o755, ""),
            (&long, 0o644, "deep"),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(p, m, t)| ((*p).to_owned(), *m, (*t).to_owned())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let make = || stream(vec![file("a", "1"), file("b/c", "2")]).unwrap();
        assert_eq!(make(), make());
        assert_ne!(make(), stream(vec![file("a", "1"), file("b/c", "3")]).unwrap());
    }

    #[test]
    fn a_content_that_changed_meanwhile_ends_the_stream() {
        for (size, how) in [(1, "longer"), (9, "shorter")] {
            let what = What::File { size, executable: false, content: &b"four"[..] };
            let error =
                stream(vec![Ok(Entry { path: "a/b".to_owned(), modified: modified(), what })]).unwrap_err();
            assert_eq!(error.to_string(), format!("a/b is {how} than it was when the context was made"));
        }
        let error = stream(vec![file("a", "1"), Err(io::Error::other("gone"))]).unwrap_err();
        assert_eq!(error.to_string(), "gone");
    }
}

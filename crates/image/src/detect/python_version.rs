//! The Python that `.python-version` pins, read alike for images and for processes.

use std::fmt;

/// What the file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonVersion {
    /// `3`.
    pub major: u32,
    /// `12`.
    pub minor: u32,
    /// `4`, where the file says so.
    pub patch: Option<u32>,
}

impl PythonVersion {
    /// Reads `3.12`, `3.12.4`, `cpython-3.12` in the first line that counts; anything else (`system`, `pypy`) pins nothing.
    #[must_use]
    pub fn pinned(text: &str) -> Option<Self> {
        let line = first_line(text)?;
        let line = line.trim_start_matches("cpython-").trim_start_matches("cpython@");
        let mut numbers = line.split(['.', '-', '+']).map(|part| part.parse().ok());
        let (major, minor) = (numbers.next()??, numbers.next()??);
        Some(Self { major, minor, patch: numbers.next().flatten() })
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        self.patch.map_or(Ok(()), |patch| write!(f, ".{patch}"))
    }
}

/// The first line of a version file that is neither empty nor a comment.
pub(crate) fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_file_is_read() {
        for (text, expected) in [
            ("3.12\n", Some("3.12")),
            ("# ours\n\n 3.12.4 \n", Some("3.12.4")),
            ("cpython-3.11.7-linux", Some("3.11.7")),
            ("3.13-dev", Some("3.13")),
            ("system", None),
            ("pypy3.10", None),
            ("3", None),
            ("3.12;rm", None),
            ("", None),
        ] {
            let read = PythonVersion::pinned(text).map(|version| version.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        }
    }
}

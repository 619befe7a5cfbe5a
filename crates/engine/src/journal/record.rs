//! One line of a journal: `crc32-hex SPACE json LF`.

use std::collections::BTreeMap;

use landfall_model::{Fault, Plan, ReceiptInstance, ServedArtifact, Timestamp, TransactionId};
use serde::{Deserialize, Serialize};

use super::MAX_RECORD;
use crate::Ended;

/// Hex digits of the checksum.
const CHECKSUM: usize = 8;

/// What the first record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    pub(crate) format: u32,
    pub(crate) transaction: TransactionId,
    pub(crate) holder: String,
    pub(crate) begun: Timestamp,
    pub(crate) bytes_shipped: u64,
    pub(crate) plan: Plan,
}

/// What was read back of a release that took over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proof {
    pub(crate) instances: Vec<ReceiptInstance>,
    pub(crate) traffic: BTreeMap<String, u32>,
    pub(crate) served: Option<ServedArtifact>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record")]
pub(crate) enum Record {
    /// The transaction began.
    Begun(Box<Begun>),
    /// A step is about to be performed.
    Intent { step: usize },
    /// It was performed.
    Done {
        step: usize,
        ms: u64,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        note: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        proof: Option<Box<Proof>>,
    },
    /// It failed.
    Failed { step: usize, ms: u64, why: String },
    /// A person wants no more steps of a canary.
    Promoted,
    /// Everything is taken back from here on; for this reason, or because a person asked.
    UndoBegun { why: Option<Box<Fault>> },
    /// A step is about to be taken back.
    UndoIntent { step: usize },
    /// It was taken back.
    Undone { step: usize, ms: u64 },
    /// It could not be taken back.
    UndoFailed { step: usize, ms: u64, why: String },
    /// The transaction goes on after an interruption.
    Resumed { at: Timestamp },
    /// From this line on something else was here and was cut away.
    Cut { line: usize, bytes: u64 },
    /// Nothing follows.
    Ended(Box<Ended>),
}

impl Record {
    /// The line, with its line end.
    ///
    /// # Errors
    /// A record over the limit, as a sentence.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let json = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        if json.len() > MAX_RECORD {
            return Err(format!("a record of {} bytes is over the limit of {MAX_RECORD}", json.len()));
        }
        let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
        line.extend_from_slice(&json);
        line.push(b'\n');
        Ok(line)
    }

    /// The record of a line without its line end.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub(crate) fn decode(line: &[u8]) -> Result<Self, String> {
        let Some((checksum, json)) =
            line.split_at_checked(CHECKSUM).and_then(|(sum, rest)| Some((sum, rest.strip_prefix(b" ")?)))
        else {
            return Err("it is too short for a record".to_owned());
        };
        let expected = std::str::from_utf8(checksum).ok().and_then(|hex| u32::from_str_radix(hex, 16).ok());
        if expected != Some(crc32fast::hash(json)) {
            return Err("its checksum is wrong".to_owned());
        }
        serde_json::from_slice(json).map_err(|error| format!("its JSON is no record: {error}"))
    }
}

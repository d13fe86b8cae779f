//! What the files of a database say before anything is changed: is the key right, is something missing, and
//! which journals are to be replayed.

use std::fs;
use std::path::Path;

use super::damage::Damage;
use super::head::{self, COPIES, Copy, Head};
use super::journal;
use super::open::{OpenError, failed, journal_dir};
use super::replay::{End, header_is_ours, replay, written_with_other_key};
use super::seal::Keys;
use super::version::Found as Version;

/// The files as found.
pub(super) struct Survey {
    version: Version,
    copies: [Copy; 2],
    pub(super) head: Option<Head>,
    pub(super) journals: Vec<(u64, Vec<u8>)>,
    state_there: bool,
}

/// What the journals hold, checked before anything is changed.
pub(super) struct Plan {
    /// The journals to replay: epoch, index of the first record (`None`: taken on faith), good records.
    pub(super) files: Vec<(u64, Option<u64>, u64)>,
    pub(super) next: u64,
    pub(super) torn: u64,
    pub(super) damage: Option<Damage>,
}

impl Survey {
    pub(super) fn take(dir: &Path, keys: &Keys, version: Version) -> Result<Self, OpenError> {
        let [a, b] = COPIES;
        let read = |copy| head::read(dir, copy, keys).map_err(failed("reading the head"));
        let copies = [read(a)?, read(b)?];
        let journals = read_journals(dir)?;
        let state = fs::metadata(dir.join("state").join("db"));
        let survey = Self {
            version,
            head: newest(&copies),
            copies,
            journals,
            state_there: state.is_ok_and(|meta| meta.len() > 0),
        };
        if survey.is_foreign(keys) {
            return Err(OpenError::WrongKey);
        }
        Ok(survey)
    }

    /// Nothing here verifies with our key, and something says it was written with another.
    fn is_foreign(&self, keys: &Keys) -> bool {
        let mut journals = self.journals.iter();
        let ours = self.head.is_some() || journals.any(|(epoch, bytes)| header_is_ours(bytes, keys, *epoch));
        let mut journals = self.journals.iter();
        !ours
            && (self.copies.contains(&Copy::OtherKey) || journals.any(|(_, bytes)| written_with_other_key(bytes, keys)))
    }

    /// Nothing was ever committed here: the engine is made only after the head is on disk.
    pub(super) fn is_first(&self, keys: &Keys) -> bool {
        let missing = self.copies.iter().all(|copy| *copy == Copy::Missing);
        missing
            && !self.state_there
            && match self.journals.as_slice() {
                [] => true,
                [(epoch, bytes)] => {
                    let nothing = replay(bytes, keys, *epoch, None, u64::MAX, |_| Ok::<(), ()>(()));
                    *epoch == 1 && nothing.is_ok_and(|found| found.records == 0 && found.end == End::Clean)
                }
                _ => false,
            }
    }

    /// Whether the first open ended before the engine was made.
    fn is_unfinished(&self) -> bool {
        !self.state_there && self.head.as_ref().is_some_and(|head| head.number == 1)
    }

    pub(super) fn damage(&self) -> Vec<Damage> {
        let mut damage = Vec::new();
        if self.is_unfinished() {
            return damage;
        }
        if self.version == Version::Nothing {
            damage.push(Damage::Version);
        }
        if self.head.is_none() {
            damage.push(Damage::HeadMissing);
        } else {
            for (copy, name) in self.copies.iter().zip(COPIES) {
                if !matches!(copy, Copy::Good(_)) {
                    damage.push(Damage::HeadCopy { name });
                }
            }
        }
        if !self.state_there {
            damage.push(Damage::StateMissing);
        }
        damage
    }

    /// Reads the journals through, from the head's on.
    pub(super) fn plan(&self, keys: &Keys) -> Plan {
        let head = self.head.as_ref();
        let oldest = self.journals.first().map(|(epoch, _)| *epoch);
        let start = head.map_or(oldest.unwrap_or(1), |head| head.number);
        let mut plan = Plan {
            files: Vec::new(),
            next: head.map_or(0, |head| head.index),
            torn: 0,
            damage: None,
        };
        let mut first = head.map(|head| head.index);
        let mut expected = start;
        for (epoch, bytes) in &self.journals {
            if *epoch < start {
                continue;
            }
            if *epoch != expected {
                break;
            }
            expected = expected.saturating_add(1);
            let Ok(found) = replay(bytes, keys, *epoch, first, u64::MAX, |_| Ok::<(), ()>(())) else {
                break;
            };
            plan.files.push((*epoch, first, found.records));
            plan.next = found.next;
            plan.torn = plan.torn.max(found.torn());
            first = Some(found.next);
            if let Some(offset) = found.damaged_at() {
                plan.damage = Some(Damage::Journal {
                    epoch: *epoch,
                    index: found.next,
                    offset,
                });
                return plan;
            }
        }
        if expected <= self.newest() {
            plan.damage = Some(Damage::JournalMissing { epoch: expected });
        }
        plan
    }

    /// The newest epoch any file here speaks of.
    pub(super) fn newest(&self) -> u64 {
        let head = self.head.as_ref().map_or(0, |head| head.number);
        let journal = self.journals.last().map_or(0, |(epoch, _)| *epoch);
        head.max(journal)
    }

    /// Both head copies and the one journal agree, as after a checkpoint.
    pub(super) fn is_settled(&self) -> bool {
        let Some(head) = &self.head else { return false };
        let good = |copy: &Copy| matches!(copy, Copy::Good(found) if found == head);
        let alone = matches!(self.journals.as_slice(), [(epoch, _)] if *epoch == head.number);
        alone && self.state_there && self.copies.iter().all(good)
    }
}

fn newest(copies: &[Copy; 2]) -> Option<Head> {
    let good = copies.iter().filter_map(|copy| match copy {
        Copy::Good(head) => Some(head),
        _ => None,
    });
    good.max_by_key(|head| head.number).cloned()
}

pub(super) fn read_journals(dir: &Path) -> Result<Vec<(u64, Vec<u8>)>, OpenError> {
    let journals = journal_dir(dir);
    let doing = "reading the journal";
    let epochs = journal::epochs(&journals).map_err(failed(doing))?;
    let mut out = Vec::with_capacity(epochs.len());
    for epoch in epochs {
        let bytes = fs::read(journal::path_of(&journals, epoch)).map_err(failed(doing))?;
        out.push((epoch, bytes));
    }
    Ok(out)
}

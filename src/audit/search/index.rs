//! What a sealed segment certainly does not hold, so that a search need not read it.
//!
//! The file is derived from the segment and may be deleted at any time. It names the segment's length and
//! the hash of its end, which by the chain stands for all of it; each part has a checksum. A file in which
//! anything does not fit counts as none.
//!
//! Layout: a head of [`HEAD`] bytes, which are a checksum and JSON filled up with spaces, and the blocks of
//! a Bloom filter, of [`BLOCK`] bytes each, the last of which are a checksum. A key has all its bits in
//! one block, so that looking for it reads that block alone.

use std::{
    collections::HashSet, fs::File, io, os::unix::fs::FileExt as _, path::Path, time::SystemTime,
};

use aws_lc_rs::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::audit::search::{fields::Fields, filters::Filters, keys::Key, shelf};

/// A segment that another one follows, as far as an index must fit it.
#[derive(Debug)]
pub(in crate::audit::search) struct Sealed {
    first: u64,
    bytes: u64,
    tail: String,
    read_bytes: u64,
}

/// The index of a segment that is still the same.
#[derive(Debug)]
pub(in crate::audit::search) struct Index {
    file: File,
    head: Head,
    check: Check,
    read_bytes: u64,
}

/// Gathers what an index says.
#[derive(Debug, Default)]
pub(in crate::audit::search) struct Builder {
    keys: HashSet<Key>,
    times: Option<(SystemTime, SystemTime)>,
    is_unfit: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    v: u32,
    segment_bytes: u64,
    segment_tail: String,
    first_time: SystemTime,
    last_time: SystemTime,
    blocks: u64,
}

type Check = [u8; CHECK];

impl Sealed {
    /// Looks at the length and the end of a segment.
    pub(in crate::audit::search) fn of(file: &File, first: u64) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        let size = bytes.min(TAIL);
        let mut tail = vec![0; usize::try_from(size).unwrap_or_default()];
        file.read_exact_at(&mut tail, bytes.saturating_sub(size))?;
        let hash = digest(&SHA256, &tail);
        let hash = hash.as_ref().first_chunk().copied().unwrap_or_default();
        Ok(Self {
            first,
            bytes,
            tail: format!("{:032x}", u128::from_be_bytes(hash)),
            read_bytes: size,
        })
    }

    pub(in crate::audit::search) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(in crate::audit::search) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }
}

impl Index {
    /// The index of a segment, where there is one that fits.
    pub(in crate::audit::search) fn of(dir: &Path, sealed: &Sealed) -> Option<Self> {
        let file = File::open(shelf::path(dir, sealed.first)).ok()?;
        let mut bytes = [0; HEAD];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let (check, json) = bytes.split_first_chunk::<CHECK>()?;
        if checksum(&[json]) != *check {
            return None;
        }
        let head: Head = serde_json::from_slice(json).ok()?;
        let fits = head.v == VERSION
            && head.segment_bytes == sealed.bytes
            && head.segment_tail == sealed.tail;
        fits.then_some(Self {
            file,
            head,
            check: *check,
            read_bytes: u64::try_from(HEAD).unwrap_or(u64::MAX),
        })
    }

    /// Whether the segment has certainly no record that is asked for.
    pub(in crate::audit::search) fn rules_out(&mut self, filters: &Filters) -> bool {
        let Head {
            first_time,
            last_time,
            ..
        } = self.head;
        if !filters.admit_times(first_time, last_time) {
            return true;
        }
        let keys = filters.keys().into_iter();
        keys.map(|key| self.lacks(key))
            .any(|lacks| lacks == Some(true))
    }

    pub(in crate::audit::search) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Whether no record of the segment has a key; unknown where its block is not as it was written.
    fn lacks(&mut self, key: Key) -> Option<bool> {
        let place = Place::of(key, self.head.blocks)?;
        let offset = place
            .block
            .checked_mul(BLOCK_BYTES)?
            .checked_add(HEAD_BYTES)?;
        let mut bytes = [0; BLOCK];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        self.read_bytes = self.read_bytes.saturating_add(BLOCK_BYTES);
        let (bits, check) = bytes.split_last_chunk::<CHECK>()?;
        if block_check(self.check, place.block, bits) != *check {
            return None;
        }
        let has_bit = |bit: usize| bits.get(bit / 8).is_some_and(|byte| byte & mask(bit) != 0);
        Some(!place.bits().all(has_bit))
    }
}

impl Builder {
    /// Takes a record in.
    pub(in crate::audit::search) fn add(&mut self, fields: &Fields<'_>) {
        let Ok(time) = humantime::parse_rfc3339(fields.time.as_str()) else {
            self.is_unfit = true;
            return;
        };
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
        if self.keys.len() < MOST_KEYS {
            self.keys.extend(Key::all(fields));
        } else {
            self.is_unfit = true;
            self.keys = HashSet::new();
        }
    }

    /// Leaves the index in place of an older one. Where that fails there is none, which does no harm.
    pub(in crate::audit::search) fn leave(self, dir: &Path, sealed: &Sealed) {
        if !self.is_unfit
            && let Some((head, blocks)) = self.written(sealed)
        {
            drop(shelf::put(
                dir,
                sealed.first,
                &[head, blocks.concat()].concat(),
            ));
        }
    }

    fn written(&self, sealed: &Sealed) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
        let (first_time, last_time) = self.times?;
        let count = self.keys.len().div_ceil(KEYS_A_BLOCK).max(1);
        let count = u64::try_from(count).ok()?;
        let head = Head {
            v: VERSION,
            segment_bytes: sealed.bytes,
            segment_tail: sealed.tail.clone(),
            first_time,
            last_time,
            blocks: count,
        };
        let mut json = serde_json::to_vec(&head).ok()?;
        json.resize(HEAD.checked_sub(CHECK)?, b' ');
        let check = checksum(&[&json]);
        let mut blocks = vec![vec![0; BLOCK.checked_sub(CHECK)?]; usize::try_from(count).ok()?];
        for key in &self.keys {
            let place = Place::of(*key, count)?;
            let block = blocks.get_mut(usize::try_from(place.block).ok()?)?;
            for bit in place.bits() {
                *block.get_mut(bit / 8)? |= mask(bit);
            }
        }
        for (number, block) in (0..).zip(&mut blocks) {
            let check = block_check(check, number, block);
            block.extend_from_slice(&check);
        }
        Some(([&check[..], &json].concat(), blocks))
    }
}

/// Where the bits of a key are.
struct Place {
    block: u64,
    first: u64,
    step: u64,
}

impl Place {
    fn of(key: Key, blocks: u64) -> Option<Self> {
        let bytes = key.bits().to_be_bytes();
        let (high, low) = bytes.split_first_chunk::<8>()?;
        let (first, step) = low.split_first_chunk::<4>()?;
        Some(Self {
            block: u64::from_be_bytes(*high).checked_rem(blocks)?,
            first: u32::from_be_bytes(*first).into(),
            // An odd step meets as many bits as there are.
            step: u64::from(u32::from_be_bytes(step.try_into().ok()?)) | 1,
        })
    }

    fn bits(&self) -> impl Iterator<Item = usize> {
        let Self { first, step, .. } = *self;
        let bit = move |turn: u64| first.wrapping_add(step.wrapping_mul(turn)) % BITS;
        (0..BITS_A_KEY).map(move |turn| usize::try_from(bit(turn)).unwrap_or_default())
    }
}

fn mask(bit: usize) -> u8 {
    1 << (bit % 8)
}

fn block_check(head: Check, number: u64, bits: &[u8]) -> Check {
    checksum(&[&head, &number.to_be_bytes(), bits])
}

fn checksum(parts: &[&[u8]]) -> Check {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let hash = context.finish();
    hash.as_ref().first_chunk().copied().unwrap_or_default()
}

const VERSION: u32 = 1;

/// In bytes: the last records of a segment or a part of them; the chain binds all that stands before.
const TAIL: u64 = 4 << 10;

/// In bytes.
const HEAD: usize = 512;
const HEAD_BYTES: u64 = 512;
const BLOCK: usize = 4096;
const BLOCK_BYTES: u64 = 4096;
const CHECK: usize = 8;

/// Of a block, without its checksum.
const BITS: u64 = (4096 - 8) * 8;

/// Ten bits a key and six of them set: one key in a hundred that is not there seems to be.
const KEYS_A_BLOCK: usize = 3270;
const BITS_A_KEY: u64 = 6;

/// Bounds the memory to 32 MiB; a segment of the usual size has a fifth of it.
const MOST_KEYS: usize = 1_000_000;

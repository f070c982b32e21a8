//! Any bytes, read as a snapshot: as they are, and with checksums that are right.

#![no_main]

use std::num::NonZeroUsize;

use index::snapshot::{Footer, read};
use libfuzzer_sys::fuzz_target;
use twox_hash::XxHash3_64;

/// Bytes at the end: length and checksum of the footer's body, format, magic.
const TRAILER: usize = 24;

fuzz_target!(|bytes: &[u8]| {
    let _ = Footer::read(bytes);
    let _ = read(bytes, &[0; 32], 1 << 30, NonZeroUsize::MIN);

    let mut object = bytes.to_vec();
    let Some(trailer) = object.len().checked_sub(TRAILER) else { return };
    let len = u32::from_le_bytes(std::array::from_fn(|byte| object[trailer + byte])) as usize;
    let Some(body) = trailer.checked_sub(len) else { return };
    let checksum = XxHash3_64::oneshot(&object[body..trailer]);
    object[trailer + 4..trailer + 12].copy_from_slice(&checksum.to_le_bytes());
    let _ = read(&object, &[0; 32], 1 << 30, NonZeroUsize::MIN);
});

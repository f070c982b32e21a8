//! Reading a tenant's snapshot: its manifest, then the object by several reads at a time, each decoded as it comes.
//!
//! A snapshot is a shortcut and no more. Whatever is in doubt about one, the change log is loaded as if there were none: nobody gets a wrong list or an
//! error because of it.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::thread::available_parallelism;

use futures::StreamExt;
use futures::stream;
use index::snapshot::{Decoder, Error as SnapshotError, FOOTER_READ, Footer, Snapshot, TenantHash};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::bounds::SNAPSHOT_READ;
use crate::error::Error;
use crate::meter::Meter;
use crate::objects::{ObjectError, Objects};
use crate::store::{Current, Store};

/// The most bytes of an object that the first read takes: its end, with the footer. A small object is no more than that.
const FIRST_READ: u64 = 512 * 1_024;

/// About how many bytes each further read takes: few enough that the first of them are decoded soon.
const PART: u64 = 1_024 * 1_024;

/// How many reads of an object run at the same time. A function's network is slower than so many.
const READERS: usize = 8;

const _: () = assert!(FOOTER_READ as u64 <= FIRST_READ, "the first read has the footer");

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// The manifest cannot be read.
    #[error("the manifest cannot be read: {0}")]
    Manifest(#[from] Error),
    /// The object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The object is not a snapshot that can be used.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The object is not what its manifest describes.
    #[error("the object {0} is not the one that the manifest describes")]
    Another(String),
    /// Decoding panicked.
    #[error("decoding the object {0} panicked")]
    Panicked(String),
    /// It takes too long.
    #[error("it could not be read within {SNAPSHOT_READ:?}")]
    Late,
}

/// A snapshot, and how many bytes of it were read.
#[derive(Debug)]
pub struct Loaded {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The bytes.
    pub bytes: u64,
}

/// What tells a snapshot of this tenant from those of others.
pub fn tenant_hash(tenant: &str) -> TenantHash {
    Sha256::digest(tenant.as_bytes()).into()
}

/// The tenant's snapshot, if it has one.
///
/// # Errors
///
/// [`Doubt`].
pub async fn load(store: &Store, objects: &Objects, meter: &Meter, tenant: &str, memory: usize) -> Result<Option<Loaded>, Doubt> {
    let loading = meter.snapshot(load_current(store, objects, meter, tenant, memory));
    timeout(SNAPSHOT_READ, loading).await.unwrap_or(Err(Doubt::Late))
}

async fn load_current(
    store: &Store,
    objects: &Objects,
    meter: &Meter,
    tenant: &str,
    memory: usize,
) -> Result<Option<Loaded>, Doubt> {
    let current =
        async |consistent| Ok::<_, Doubt>(store.manifest(meter, tenant, consistent).await?.and_then(|manifest| manifest.current));
    let Some(first) = current(false).await? else { return Ok(None) };
    match load_object(objects, tenant, &first, memory).await {
        // The manifest may have been read before a swap, and the object deleted since. Without the permission to list, S3 refuses what is not there.
        Err(doubt @ Doubt::Object(ObjectError::Missing(_) | ObjectError::Refused(_))) => match current(true).await? {
            Some(second) if second.object != first.object => load_object(objects, tenant, &second, memory).await.map(Some),
            Some(_) => Err(doubt),
            None => Ok(None),
        },
        loaded => loaded.map(Some),
    }
}

/// The snapshot in the object that a manifest names.
///
/// # Errors
///
/// [`Doubt`].
pub async fn load_object(objects: &Objects, tenant: &str, current: &Current, memory: usize) -> Result<Loaded, Doubt> {
    let panicked = || Doubt::Panicked(current.object.clone());
    let mut start = current.bytes.saturating_sub(FIRST_READ);
    let mut end = objects.read(&current.object, start..current.bytes).await?;
    let footer = match Footer::read(&end) {
        // Millions of contacts have a larger footer.
        Err(SnapshotError::Incomplete { needed }) if (needed as u64) <= current.bytes => {
            start = start.min(current.bytes - needed as u64);
            end = objects.read(&current.object, start..current.bytes).await?;
            Footer::read(&end)?
        }
        footer => footer?,
    };
    // The manifest's moment holds for this object and for no other.
    if footer.origin().moment != current.written_at || footer.block_bytes() > current.bytes {
        return Err(Doubt::Another(current.object.clone()));
    }
    let blocks: Vec<Range<u64>> = footer.blocks().iter().map(|block| block.range.clone()).collect();
    let decoder = Arc::new(Decoder::new(footer, &tenant_hash(tenant), memory)?);
    // Blocks that the first read has need no second one.
    let first_at_hand = blocks.iter().position(|block| block.start >= start).unwrap_or(blocks.len());
    let parts = parts(&blocks[..first_at_hand]);
    let read = |part: Range<usize>| {
        let (decoder, range) = (Arc::clone(&decoder), blocks[part.start].start..blocks[part.end - 1].end);
        let blocks: Vec<Range<u64>> = blocks[part.clone()].to_vec();
        async move {
            let bytes = objects.read(&current.object, range.clone()).await?;
            let decoded = spawn_blocking(move || decode(&decoder, part.start, &blocks, range.start, &bytes)).await;
            decoded.unwrap_or_else(|_| Err(panicked()))
        }
    };
    let mut reads = stream::iter(parts.into_iter().map(read)).buffer_unordered(READERS);
    while let Some(read) = reads.next().await {
        read?;
    }
    drop(reads);
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let finished = spawn_blocking(move || {
        decode(&decoder, first_at_hand, &blocks[first_at_hand..], start, &end)?;
        drop(end);
        // Nobody else decodes any more.
        match Arc::try_unwrap(decoder) {
            Ok(decoder) => Ok(Some(decoder.finish(cores)?)),
            Err(_) => Ok(None),
        }
    });
    let mut snapshot = finished.await.unwrap_or_else(|_| Err(panicked()))?.ok_or_else(panicked)?;
    snapshot.origin.moment = current.moment;
    Ok(Loaded { snapshot, bytes: current.bytes })
}

/// Feeds the blocks from number `first` on, which are in `bytes`, of which the first is that at `start` of the object.
fn decode(decoder: &Decoder, first: usize, blocks: &[Range<u64>], start: u64, bytes: &[u8]) -> Result<(), Doubt> {
    for (number, block) in (first..).zip(blocks) {
        let within = |place: u64| usize::try_from(place.saturating_sub(start)).unwrap_or(usize::MAX);
        // A block that is not there does not have its checksum.
        decoder.block(number, bytes.get(within(block.start)..within(block.end)).unwrap_or_default())?;
    }
    Ok(())
}

/// Cuts neighbouring blocks into parts that are read by one request each.
fn parts(blocks: &[Range<u64>]) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        match parts.last_mut() {
            Some(part) if block.end - blocks[part.start].start <= PART => part.end = number + 1,
            _ => parts.push(number..number + 1),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_in_parts_of_a_megabyte() {
        let blocks = [0..PART / 2, PART / 2..PART, PART..PART + 1, PART + 1..4 * PART, 4 * PART..4 * PART + 5];

        assert_eq!(parts(&blocks), [0..2, 2..3, 3..4, 4..5]);
        assert!(parts(&[]).is_empty());
    }
}

//! The end of a snapshot, which says what and where everything else is.

use std::ops::Range;

use twox_hash::XxHash3_64;

use super::bytes::{Reader, push_varint, zigzag};
use super::layout::{BlockColumn, Layout};
use super::{Error, FORMAT, Origin, RATIO};
use crate::fold::UNICODE_TABLES;
use crate::log::ResetMark;
use crate::timestamp::Timestamp;

/// Ends every snapshot, whatever its format.
const MAGIC: [u8; 8] = *b"contacts";

/// The length of the footer's body, the body's checksum, the format, and the magic.
const TRAILER: usize = size_of::<u32>() + size_of::<u64>() + size_of::<u32>() + MAGIC.len();

/// A block in the table: its length, its length when it is decompressed, and its checksum.
const ROW: usize = size_of::<u32>() + size_of::<u32>() + size_of::<u64>();

/// More contacts than memory has room for. Marks of tables need the highest bit of slots.
const CONTACTS: usize = 1 << 30;

/// A block of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Where it is in the object.
    pub range: Range<u64>,
    /// How many bytes it has when it is decompressed.
    pub raw_len: u32,
    /// What it holds.
    pub column: BlockColumn,
    /// The XXH3 of its bytes in the object, 64 bits.
    pub checksum: u64,
}

/// What a snapshot holds, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    pub(super) origin: Origin,
    pub(super) layout: Layout,
    pub(super) newest: Option<Timestamp>,
    pub(super) index_bytes: u64,
    pub(super) blocks: Vec<BlockInfo>,
}

impl Footer {
    /// Reads the footer from the last bytes of a snapshot, at least as many as the footer has.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`] says how many these are. [`Error::NotASnapshot`], [`Error::Format`], [`Error::Unicode`], [`Error::Columns`]
    /// and [`Error::Malformed`].
    pub fn read(end: &[u8]) -> Result<Self, Error> {
        let (rest, trailer) = end.split_last_chunk::<TRAILER>().ok_or(Error::NotASnapshot)?;
        let mut trailer = Reader(trailer);
        let (len, checksum, format, magic) = (trailer.u32()? as usize, trailer.u64()?, trailer.u32()?, trailer.array()?);
        if magic != MAGIC {
            return Err(Error::NotASnapshot);
        }
        if format != FORMAT {
            return Err(Error::Format { found: format });
        }
        let body = rest.len().checked_sub(len).and_then(|start| rest.get(start..));
        let body = body.ok_or(Error::Incomplete { needed: len.saturating_add(TRAILER) })?;
        if XxHash3_64::oneshot(body) != checksum {
            return Err(Error::Malformed("the footer does not have its checksum"));
        }
        Self::read_body(Reader(body))
    }

    fn read_body(mut body: Reader<'_>) -> Result<Self, Error> {
        let unicode = body.u32()?;
        if unicode != UNICODE_TABLES {
            return Err(Error::Unicode { found: unicode, known: UNICODE_TABLES });
        }
        let columns = body.text()?;
        if columns != BlockColumn::names() {
            return Err(Error::Columns { found: columns });
        }
        let tenant = body.array()?;
        let mut moment = || body.signed_varint().map(Timestamp::from_millis);
        let (moment, log_read_at, newest) = (moment()?, moment()?, moment()?);
        let newest = (body.varint()? != 0).then_some(newest);
        let reset = match body.varint()? {
            0 => None,
            marks => Some(ResetMark {
                updated_at: Timestamp::from_millis(body.signed_varint()?),
                generation: body.text()?,
                voids_cursors: marks > 1,
            }),
        };
        let index_bytes = body.varint()?;
        let mut number = || {
            let number = usize::try_from(body.varint()?).ok().filter(|number| *number < CONTACTS);
            number.ok_or(Error::Malformed("it has more than memory has room for"))
        };
        let layout = Layout { contacts: number()?, words: number()?, tombstones: number()? };
        if layout.blocks().checked_mul(ROW) != Some(body.0.len()) {
            return Err(Error::Malformed("the footer does not have a row for each block"));
        }
        let mut blocks = Vec::with_capacity(layout.blocks());
        let mut end = 0;
        for block in 0..layout.blocks() {
            let (len, raw_len, checksum) = (body.u32()?, body.u32()?, body.u64()?);
            if u64::from(raw_len) > u64::from(len) * RATIO {
                return Err(Error::Malformed("a block has more than its bytes can hold"));
            }
            let range = end..end + u64::from(len);
            end = range.end;
            blocks.push(BlockInfo { range, raw_len, column: layout.column(block), checksum });
        }
        let origin = Origin { tenant, moment, log_read_at, reset };
        Ok(Self { origin, layout, newest, index_bytes, blocks })
    }

    /// The footer as bytes.
    pub(super) fn write(&self) -> Vec<u8> {
        let Self { origin, layout, newest, index_bytes, blocks } = self;
        let Origin { tenant, moment, log_read_at, reset } = origin;
        let mut body = UNICODE_TABLES.to_le_bytes().to_vec();
        push_text(&mut body, &BlockColumn::names());
        body.extend_from_slice(tenant);
        for moment in [*moment, *log_read_at, newest.unwrap_or(*moment)] {
            push_varint(&mut body, zigzag(moment.millis()));
        }
        push_varint(&mut body, u64::from(newest.is_some()));
        match reset {
            None => push_varint(&mut body, 0),
            Some(ResetMark { updated_at, generation, voids_cursors }) => {
                push_varint(&mut body, 1 + u64::from(*voids_cursors));
                push_varint(&mut body, zigzag(updated_at.millis()));
                push_text(&mut body, generation);
            }
        }
        push_varint(&mut body, *index_bytes);
        for number in [layout.contacts, layout.words, layout.tombstones] {
            push_varint(&mut body, number as u64);
        }
        for BlockInfo { range, raw_len, column: _, checksum } in blocks {
            body.extend_from_slice(&((range.end - range.start) as u32).to_le_bytes());
            body.extend_from_slice(&raw_len.to_le_bytes());
            body.extend_from_slice(&checksum.to_le_bytes());
        }
        let (len, checksum) = (body.len() as u32, XxHash3_64::oneshot(&body));
        body.extend_from_slice(&len.to_le_bytes());
        body.extend_from_slice(&checksum.to_le_bytes());
        body.extend_from_slice(&FORMAT.to_le_bytes());
        body.extend_from_slice(&MAGIC);
        body
    }

    /// Where the contacts are from.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How many contacts there are.
    pub const fn contacts(&self) -> u64 {
        self.layout.contacts as u64
    }

    /// Bytes of memory that the index took when the snapshot was written.
    pub const fn index_bytes(&self) -> u64 {
        self.index_bytes
    }

    /// Bytes of the blocks, after which the footer starts.
    pub fn block_bytes(&self) -> u64 {
        self.blocks.last().map_or(0, |block| block.range.end)
    }

    /// The blocks, in the order of the object, of which they are the beginning without a gap.
    pub fn blocks(&self) -> &[BlockInfo] {
        &self.blocks
    }
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    push_varint(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

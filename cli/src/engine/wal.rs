//! Whether SQLite's write-ahead log ends in the middle of a change.
//!
//! SQLite ignores such an end silently: after a crash it is a change that was never acknowledged. The format is
//! documented at <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The magic number of a log whose checksums are made of little-endian words; one more means big-endian words.
const MAGIC: u32 = 0x377f_0682;

/// How many bytes after the last complete change belong to an incomplete one; `None` when there are none.
pub(super) fn incomplete(database: &Path) -> io::Result<Option<u64>> {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    match File::open(Path::new(&name)) {
        Ok(file) => incomplete_end(BufReader::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn incomplete_end(mut log: impl Read) -> io::Result<Option<u64>> {
    let mut header = [0; HEADER];
    let length = fill(&mut log, &mut header)?;
    let word = |bytes: &[u8], at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if length < HEADER {
        return Ok((length > 0).then_some(length as u64));
    }
    let is_big_endian = word(&header, 0) == MAGIC + 1;
    let mut sum = Checksum { is_big_endian, values: (0, 0) };
    sum.add(&header[..24]);
    if word(&header, 0) & !1 != MAGIC || sum.values != (word(&header, 24), word(&header, 28)) {
        return Ok(Some(HEADER as u64));
    }
    let page = word(&header, 8) as usize;
    if !(512..=65_536).contains(&page) {
        return Ok(Some(HEADER as u64));
    }

    let mut frame = vec![0; FRAME_HEADER + page];
    let mut behind_last_change = 0;
    loop {
        let length = fill(&mut log, &mut frame)?;
        // Frames with other salts are from before the log was restarted.
        let is_older = length >= 16 && frame[8..16] != header[16..24];
        if length == 0 || is_older {
            return Ok((behind_last_change > 0).then_some(behind_last_change));
        }
        behind_last_change += length as u64;
        if length < frame.len() {
            return Ok(Some(behind_last_change));
        }
        sum.add(&frame[..8]);
        sum.add(&frame[FRAME_HEADER..]);
        if sum.values != (word(&frame, 16), word(&frame, 20)) {
            return Ok(Some(behind_last_change));
        }
        // The last frame of a change has the database's size in its header.
        if word(&frame, 4) > 0 {
            behind_last_change = 0;
        }
    }
}

/// Reads until the buffer is full or the log ends, and returns how much that was.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match log.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The log's running checksum.
struct Checksum {
    is_big_endian: bool,
    values: (u32, u32),
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let word = |bytes: &[u8]| {
            let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
            if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        let (mut first, mut second) = self.values;
        for pair in bytes.chunks_exact(8) {
            first = first.wrapping_add(word(pair)).wrapping_add(second);
            second = second.wrapping_add(word(&pair[4..])).wrapping_add(first);
        }
        self.values = (first, second);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::*;

    /// The log of a database with a change of several pages at its end.
    fn log() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("contacts.db");
        let connection = Connection::open(&file).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(20000));").unwrap();
        fs::read(folder.path().join("contacts.db-wal")).unwrap()
    }

    fn page(log: &[u8]) -> usize {
        usize::from(u16::from_be_bytes([log[10], log[11]]))
    }

    #[test]
    fn a_whole_log_is_complete_and_one_that_is_cut_or_changed_is_not() {
        let log = log();
        let frame = FRAME_HEADER + page(&log);
        assert_eq!((log.len() - HEADER) % frame, 0);
        assert_eq!(incomplete_end(&log[..]).unwrap(), None);
        assert_eq!(incomplete_end(&log[..0]).unwrap(), None);
        assert_eq!(incomplete_end(&log[..HEADER]).unwrap(), None);

        for cut in [1, 10, FRAME_HEADER, frame - 1, frame, frame + 1, 2 * frame] {
            assert!(incomplete_end(&log[..log.len() - cut]).unwrap().is_some(), "cut by {cut}");
        }
        for (place, what) in [(log.len() - 1, "a page"), (log.len() - frame + 17, "a checksum"), (5, "the header")] {
            let mut changed = log.clone();
            changed[place] ^= 1;
            assert!(incomplete_end(&changed[..]).unwrap().is_some(), "{what}");
        }
    }

    #[test]
    fn what_is_left_of_an_older_log_is_no_change() {
        let (new, old) = (log(), log());
        assert_eq!(incomplete_end(&[&new[..], &old[HEADER..]].concat()[..]).unwrap(), None);
    }

    #[test]
    fn a_database_without_a_log_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(incomplete(&folder.path().join("contacts.db")).unwrap(), None);
    }
}

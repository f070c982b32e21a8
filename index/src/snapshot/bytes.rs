//! Numbers as bytes: little-endian, or LEB128 where most are small.

use super::Error;

const CUT_OFF: Error = Error::Malformed("a block is cut off");

pub(super) fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A signed number as one that is small when it is close to 0.
pub(super) const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Bytes that are read from their start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let taken;
        (taken, self.0) = self.0.split_at_checked(len).ok_or(CUT_OFF)?;
        Ok(taken)
    }

    pub fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], Error> {
        let array;
        (array, self.0) = self.0.split_first_chunk().ok_or(CUT_OFF)?;
        Ok(*array)
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    #[inline]
    pub fn varint(&mut self) -> Result<u64, Error> {
        match self.0 {
            [byte @ ..0x80, rest @ ..] => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Error> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::Malformed("a number is greater than 64 bits"))
    }

    pub fn signed_varint(&mut self) -> Result<i64, Error> {
        self.varint().map(unzigzag)
    }

    /// A number of things, each of which takes at least one of the bytes that are left.
    pub fn count(&mut self) -> Result<usize, Error> {
        let count = self.varint()?;
        usize::try_from(count).ok().filter(|&count| count <= self.0.len()).ok_or(CUT_OFF)
    }

    pub fn text(&mut self) -> Result<String, Error> {
        let len = self.count()?;
        String::from_utf8(self.take(len)?.to_vec()).map_err(|_| Error::Malformed("a text is not UTF-8"))
    }

    /// The bytes of two sections, of which the first one has its length in front.
    pub fn sections(mut self) -> Result<[Self; 2], Error> {
        let len = self.u32()?;
        let first = Self(self.take(usize::try_from(len).unwrap_or(usize::MAX))?);
        Ok([first, self])
    }

    /// That everything was read.
    pub const fn end(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Malformed("a block has more than its contacts")) }
    }
}

/// Two sections as [`Reader::sections`] reads them. The first one has less than 4 GB.
pub(super) fn sections(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of::<u32>() + first.len() + second.len());
    bytes.extend_from_slice(&u32::try_from(first.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(first);
    bytes.extend_from_slice(second);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(values in prop::collection::vec(any::<i64>(), 0..20), shift in 0..64) {
            let values: Vec<i64> = values.into_iter().map(|value| value >> shift).collect();
            let mut bytes = Vec::new();
            values.iter().for_each(|&value| push_varint(&mut bytes, zigzag(value)));
            let mut reader = Reader(&bytes);
            for value in values {
                prop_assert_eq!(reader.signed_varint(), Ok(value));
            }
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        let mut bytes = vec![0xff; 9];
        bytes.push(2);
        assert!(Reader(&bytes).varint().is_err());
        bytes[9] = 1;
        assert_eq!(Reader(&bytes).varint(), Ok(u64::MAX));
        assert!(Reader(&[0x80; 30]).varint().is_err());
    }
}

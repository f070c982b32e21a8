//! Which part of a change log an index knows already, so that a refresh can tell what reading it again would cost.

use crate::index::ContactIndex;
use crate::timestamp::Timestamp;

impl ContactIndex {
    /// The stamp of the `n`-th newest entry that is known, from 1; nothing when fewer are known. A contact has one entry: that of
    /// its last version, which can be a deletion.
    pub fn nth_newest(&self, n: usize) -> Option<Timestamp> {
        let mut contacts = self.changes_newest_first().peekable();
        let mut deletions = self.tombstones().newest_first().peekable();
        let mut merged = std::iter::from_fn(|| match (contacts.peek(), deletions.peek()) {
            (Some(contact), Some(deletion)) if contact < deletion => deletions.next(),
            (Some(_), _) => contacts.next(),
            (None, _) => deletions.next(),
        });
        merged.nth(n.checked_sub(1)?)
    }

    /// How many entries are known with a stamp of `since` or later. Of deletions at most `limit` and one more are counted, because
    /// counting them takes as long as there are many.
    pub fn count_since(&self, since: Timestamp, limit: usize) -> usize {
        let deletions = self.tombstones().newest_first().take_while(|stamp| *stamp >= since).take(limit + 1).count();
        self.count_updated_since(since) + deletions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::IndexEntry;
    use crate::object_id::ObjectId;

    #[test]
    fn deletions_count_among_the_newest_entries() {
        let mut index = ContactIndex::new();
        for (number, stamp) in [(1, 10), (2, 30), (3, 20)] {
            let id = ObjectId::from_bytes([number; 12]);
            index.apply(&IndexEntry { id, version: 1, updated_at: Timestamp::from_millis(stamp), fields: None });
        }

        let newest = [1, 2, 3, 4].map(|n| index.nth_newest(n).map(Timestamp::millis));

        assert_eq!(newest, [Some(30), Some(20), Some(10), None]);
        assert_eq!(index.count_since(Timestamp::from_millis(20), 10), 2);
        assert_eq!(index.count_since(Timestamp::from_millis(20), 0), 1);
    }
}

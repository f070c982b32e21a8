//! Which blocks a snapshot has, and in which order: it follows from how much there is.

use std::fmt;

use super::GROUP;
use crate::entry::TextField;
use crate::records::Column;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockColumn {
    /// The lists of namespaces.
    Namespaces,
    /// Words of names.
    Words,
    /// Deleted contacts.
    Tombstones,
    /// The seconds in ids, which ascend.
    IdSeconds,
    /// The rest of ids.
    IdRests,
    /// `createdAt`, from the second of the id on.
    CreatedAt,
    /// `updatedAt`, from `createdAt` on.
    UpdatedAt,
    /// `__v`.
    Versions,
    /// Numbers of namespace lists, and whether contacts are disabled.
    Classes,
    /// `name`.
    Name,
    /// An optional text.
    Text(TextField),
    /// External ids.
    ExternalIds,
}

impl BlockColumn {
    /// The columns of a group.
    pub(super) const OF_GROUP: [Self; 6 + Column::ALL.len()] = {
        let mut all = [Self::IdSeconds; 6 + Column::ALL.len()];
        all[1] = Self::IdRests;
        all[2] = Self::CreatedAt;
        all[3] = Self::UpdatedAt;
        all[4] = Self::Versions;
        all[5] = Self::Classes;
        let mut text = 0;
        while text < Column::ALL.len() {
            all[6 + text] = match Column::ALL[text] {
                Column::Name => Self::Name,
                Column::Field(field) => Self::Text(field),
                Column::ExternalId => Self::ExternalIds,
            };
            text += 1;
        }
        all
    };

    /// The name that the footer has for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "company_namespace",
            Self::Words => "words",
            Self::Tombstones => "tombstones",
            Self::IdSeconds => "_id seconds",
            Self::IdRests => "_id rests",
            Self::CreatedAt => "createdAt",
            Self::UpdatedAt => "updatedAt",
            Self::Versions => "__v",
            Self::Classes => "classes",
            Self::Name => "name",
            Self::Text(field) => field.name(),
            Self::ExternalIds => "external_id",
        }
    }

    /// The columns of a group by name, which tell a release with other fields.
    pub(super) fn names() -> String {
        Self::OF_GROUP.map(Self::name).join(", ")
    }
}

impl fmt::Display for BlockColumn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How much a snapshot has of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub contacts: usize,
    pub words: usize,
    pub tombstones: usize,
}

/// The place of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Namespaces,
    Words(usize),
    Tombstones(usize),
    /// This column, by its place among those of a group, of this group.
    Group {
        group: usize,
        column: usize,
    },
}

impl Layout {
    pub const fn groups(&self) -> usize {
        self.contacts.div_ceil(GROUP)
    }

    pub const fn word_blocks(&self) -> usize {
        self.words.div_ceil(GROUP)
    }

    pub const fn tombstone_blocks(&self) -> usize {
        self.tombstones.div_ceil(GROUP)
    }

    /// How many blocks there are.
    pub const fn blocks(&self) -> usize {
        1 + self.word_blocks() + self.tombstone_blocks() + self.groups() * BlockColumn::OF_GROUP.len()
    }

    /// How many contacts a group has.
    pub fn contacts_of(&self, group: usize) -> usize {
        (self.contacts - group * GROUP).min(GROUP)
    }

    /// How many words a block of them has.
    pub fn words_of(&self, block: usize) -> usize {
        (self.words - block * GROUP).min(GROUP)
    }

    /// How many tombstones a block of them has.
    pub fn tombstones_of(&self, block: usize) -> usize {
        (self.tombstones - block * GROUP).min(GROUP)
    }

    /// Where the block of this number belongs.
    pub const fn place(&self, block: usize) -> Place {
        let Some(block) = block.checked_sub(1) else { return Place::Namespaces };
        let Some(block) = block.checked_sub(self.word_blocks()) else { return Place::Words(block) };
        let Some(block) = block.checked_sub(self.tombstone_blocks()) else { return Place::Tombstones(block) };
        let columns = BlockColumn::OF_GROUP.len();
        Place::Group { group: block / columns, column: block % columns }
    }

    /// What the block of this number holds.
    pub const fn column(&self, block: usize) -> BlockColumn {
        match self.place(block) {
            Place::Namespaces => BlockColumn::Namespaces,
            Place::Words(_) => BlockColumn::Words,
            Place::Tombstones(_) => BlockColumn::Tombstones,
            Place::Group { column, .. } => BlockColumn::OF_GROUP[column],
        }
    }
}

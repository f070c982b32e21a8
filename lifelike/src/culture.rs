//! How the people of one culture are named.

use crate::random::Random;

/// A name in Latin letters, and as it is written at home or where the company is.
type Name = (&'static str, &'static str);

/// A name made of syllables, in Latin and in local letters.
type Built = (String, String);

/// How many rare families and given names follow the listed ones.
const RARE_FAMILIES: usize = 9_000;
const RARE_GIVEN: usize = 700;

/// What is written down about a culture. Names and syllables are separated by commas, the most frequent first, with the local
/// form after `=` where it is another.
#[derive(Debug)]
pub(crate) struct Description {
    /// How many they are, against the others.
    pub share: u64,
    pub country_code: &'static str,
    pub given: &'static str,
    pub families: &'static str,
    /// First, middle and last syllables of rare names, separated by semicolons.
    pub syllables: &'static str,
    pub middle: Middle,
    /// How many of a hundred have a local name.
    pub local_names: u64,
    /// Whether the local name is written without spaces, the family's first.
    pub joined: bool,
}

/// What can stand between the given name and the family's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Middle {
    /// Nothing.
    Nothing,
    /// Another given name: a second one, or the father's.
    Given,
    /// The family name of the father, before that of the mother.
    Family,
    /// A second syllable of the given name.
    Syllable,
}

/// A culture with its names taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Culture {
    description: &'static Description,
    given: Vec<Name>,
    families: Vec<Name>,
    syllables: [Vec<Name>; 3],
}

fn names(text: &'static str) -> Vec<Name> {
    text.split(',').map(|name| name.trim().split_once('=').unwrap_or_else(|| (name.trim(), name.trim()))).collect()
}

impl Culture {
    pub fn of(description: &'static Description) -> Self {
        let mut syllables = description.syllables.split(';').map(names);
        Self {
            description,
            given: names(description.given),
            families: names(description.families),
            syllables: std::array::from_fn(|_| syllables.next().unwrap_or_default()),
        }
    }

    pub const fn share(&self) -> u64 {
        self.description.share
    }

    pub const fn country_code(&self) -> &'static str {
        self.description.country_code
    }

    pub const fn local_names(&self) -> u64 {
        self.description.local_names
    }

    /// A family name: one of the frequent ones, or one of the many rare ones.
    pub fn family(&self, random: &mut Random) -> Built {
        self.name(&self.families, random.zipf(RARE_FAMILIES, 0.7))
    }

    fn given(&self, random: &mut Random) -> Built {
        self.name(&self.given, random.zipf(RARE_GIVEN, 0.7))
    }

    /// The name of this rank: the listed ones in their order, then ever more unusual joins of syllables.
    fn name(&self, listed: &[Name], rank: usize) -> Built {
        if let Some((latin, local)) = listed.get(rank) {
            return ((*latin).to_owned(), (*local).to_owned());
        }
        let [first, middle, last] = &self.syllables;
        let mut rest = rank - listed.len();
        let mut digit = |syllables: &[Name]| {
            let syllable = syllables[rest % syllables.len()];
            rest /= syllables.len();
            syllable
        };
        let (start, end) = (digit(first), digit(last));
        let (mut latin, mut local) = (start.0.to_owned(), start.1.to_owned());
        while rest > 0 {
            rest -= 1;
            let (syllable, local_syllable) = middle[rest % middle.len()];
            rest /= middle.len();
            latin += syllable;
            local += local_syllable;
        }
        (latin + end.0, local + end.1)
    }

    /// A person's name in Latin letters, and the local one.
    pub fn full_name(&self, random: &mut Random) -> Built {
        let (given, local_given) = self.given(random);
        let (family, local_family) = self.family(random);
        let further = random.chance(45);
        let between = match self.description.middle {
            Middle::Given if further => Some(self.given(random)),
            Middle::Family if further => Some(self.family(random)),
            Middle::Syllable if further => {
                let (second, local_second) = *random.pick(&self.given);
                let name = format!("{given}{} {family}", second.to_lowercase());
                return (spelled(name, random), format!("{local_family}{local_given}{local_second}"));
            }
            _ => None,
        };
        let (name, local_name) = match between {
            Some((middle, local_middle)) => {
                (format!("{given} {middle} {family}"), format!("{local_given} {local_middle} {local_family}"))
            }
            None if self.description.joined => (format!("{given} {family}"), format!("{local_family}{local_given}")),
            None => (format!("{given} {family}"), format!("{local_given} {local_family}")),
        };
        (spelled(name, random), local_name)
    }
}

/// The name as people type it.
fn spelled(name: String, random: &mut Random) -> String {
    match random.below(60) {
        0 | 1 => name.to_uppercase(),
        2 => name.to_lowercase(),
        3 => format!("Dr. {name}"),
        4 => format!("Eng. {name}"),
        5 => format!("{name} ({})", random.pick(&["Accounts", "Purchasing", "Warehouse", "Sales", "Reception"])),
        6 => format!("{name} {}.", char::from(b'A' + random.below(26) as u8)),
        _ => name,
    }
}

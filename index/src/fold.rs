//! The form in which texts are searched and sorted: without case, accents and vowel marks.
//!
//! It is a function of the text alone, never of a language: the same contact is found by the same word for every caller.

use std::sync::OnceLock;

use icu_casemap::CaseMapper;
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{CanonicalCombiningClass, GeneralCategory};

/// A stroke that stretches an Arabic word and means nothing.
const TATWEEL: char = '\u{640}';

/// The fingerprint of the Unicode tables that folded words and digits come from: it is another one when these are.
pub const UNICODE_TABLES: u32 = 0x21ae_19f3;

/// How many code points a table holds.
const TABLE: usize = 256;

/// The text as NFKD, without nonspacing marks (General_Category Mn) and tatweel, fully case folded (not the Turkic way).
pub fn fold(text: &str) -> String {
    let mut folded = Vec::with_capacity(text.len());
    fold_onto(text, &mut folded);
    String::from_utf8(folded).unwrap_or_default()
}

/// Appends the folded `text`, so that who folds much needs no allocation for each.
pub(crate) fn fold_onto(text: &str, folded: &mut Vec<u8>) {
    fold_start_onto(text, usize::MAX, folded);
}

/// Appends the folded `text`, or no less than its first `enough` bytes.
pub(crate) fn fold_start_onto(text: &str, enough: usize, folded: &mut Vec<u8>) {
    // Of ASCII, nothing decomposes, nothing is a mark, and folding is lower case.
    if text.is_ascii() {
        folded.extend(text.bytes().map(|byte| byte.to_ascii_lowercase()));
        return;
    }
    let start = folded.len();
    for letter in text.chars() {
        // A letter that depends on others changes nothing of what comes before the marks around it.
        if folded.len() - start >= enough {
            return;
        }
        if letter.is_ascii() {
            folded.push(letter.to_ascii_lowercase() as u8);
            continue;
        }
        let Some(alone) = fold_letter(letter) else {
            folded.truncate(start);
            return folded.extend_from_slice(fold_by_rule(text).as_bytes());
        };
        folded.extend_from_slice(alone.as_bytes());
    }
}

/// What the folding is, to the letter.
fn fold_by_rule(text: &str) -> String {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let bare: String = DecomposingNormalizerBorrowed::new_nfkd()
        .normalize_iter(text.chars())
        .filter(|&letter| letter != TATWEEL && categories.get(letter) != GeneralCategory::NonspacingMark)
        .collect();
    CaseMapper::new().fold_string(&bare).into_owned()
}

/// The folded forms of code points that follow each other.
struct Table {
    folded: String,
    /// Where each folded form ends.
    ends: [u16; TABLE],
    /// Those which have no folded form of their own.
    depends: [bool; TABLE],
}

/// The folded form of a letter that has the same one in every text. NFKD and case folding take a text letter by letter, except that
/// NFKD sorts marks which follow each other; so it is nothing for a letter that leaves a mark behind.
fn fold_letter(letter: char) -> Option<&'static str> {
    static TABLES: [OnceLock<Box<Table>>; (char::MAX as usize + 1) / TABLE] = [const { OnceLock::new() }; _];
    let (number, at) = (letter as usize / TABLE, letter as usize % TABLE);
    let table = TABLES[number].get_or_init(|| Box::new(Table::new(number)));
    let start = at.checked_sub(1).map_or(0, |before| usize::from(table.ends[before]));
    (!table.depends[at]).then(|| &table.folded[start..usize::from(table.ends[at])])
}

impl Table {
    fn new(number: usize) -> Self {
        let classes = CodePointMapData::<CanonicalCombiningClass>::new();
        let mut table = Self { folded: String::new(), ends: [0; TABLE], depends: [false; TABLE] };
        for at in 0..TABLE {
            if let Some(letter) = char::from_u32((number * TABLE + at) as u32) {
                let folded = fold_by_rule(letter.encode_utf8(&mut [0; 4]));
                table.depends[at] = folded.chars().any(|letter| classes.get(letter) != CanonicalCombiningClass::NotReordered);
                table.folded += &folded;
            }
            table.ends[at] = table.folded.len() as u16;
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twox_hash::XxHash3_64;

    use super::*;
    use crate::keys::phone_key;

    /// Marks of all classes, which NFKD sorts, and letters around them.
    fn marks() -> impl Strategy<Value = String> {
        let classes = CodePointMapData::<CanonicalCombiningClass>::new();
        let reordered = |letter: &char| classes.get(*letter) != CanonicalCombiningClass::NotReordered;
        let marks: Vec<char> = ('\u{80}'..=char::MAX).filter(reordered).collect();
        let not_removed = |letter: &char| !fold_by_rule(letter.encode_utf8(&mut [0; 4])).is_empty();
        let kept: Vec<char> = marks.iter().copied().filter(not_removed).collect();
        let letter = prop_oneof![
            prop::sample::select(marks),
            prop::sample::select(kept),
            prop::sample::select(vec!['a', 'É', '가', 'ß', '\u{fdfa}', TATWEEL]),
        ];
        prop::collection::vec(letter, 0..8).prop_map(|letters| letters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_text_is_folded_by_the_rule(text in prop_oneof![any::<String>(), "\\PC{0,12}", marks()]) {
            prop_assert_eq!(fold(&text), fold_by_rule(&text));
            for enough in 0..text.len() {
                let mut start = Vec::new();
                fold_start_onto(&text, enough, &mut start);
                let all = fold_by_rule(&text);
                prop_assert!(all.as_bytes().starts_with(&start) && start.len() >= enough.min(all.len()), "{enough}");
            }
        }
    }

    #[test]
    fn case_accents_and_vowel_marks_make_no_difference() {
        for (text, folded) in [
            ("", ""),
            ("John O'Brien-SMITH 3", "john o'brien-smith 3"),
            ("José É", "jose e"),
            ("Jose\u{301}", "jose"),
            ("Straße ẞ", "strasse ss"),
            ("ＡＢＣ１", "abc1"),
            ("ﬁﬂ", "fifl"),
            ("ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ σισυφοσ"),
            ("İIı", "iiı"),
            ("Ёлка", "елка"),
            ("مُحَمَّد", "محمد"),
            ("محمـــد", "محمد"),
            ("أحمد إبراهيم آل", "احمد ابراهيم ال"),
            ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"),
            ("\u{301}", ""),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn the_fingerprint_is_that_of_the_unicode_tables() {
        let mut forms = Vec::new();
        for letter in '\0'..=char::MAX {
            let letter = letter.encode_utf8(&mut [0; 4]).to_owned();
            fold_onto(&letter, &mut forms);
            forms.push(0xff);
            forms.extend_from_slice(phone_key(&letter).as_bytes());
            forms.push(0xff);
        }

        let fingerprint = XxHash3_64::oneshot(&forms) as u32;

        assert_eq!(UNICODE_TABLES, fingerprint, "with other tables, UNICODE_TABLES becomes {fingerprint:#010x}");
    }

    #[test]
    fn marks_that_take_space_stay() {
        assert_eq!(fold("कि"), "कि");
    }

    #[test]
    fn folding_a_folded_text_changes_nothing() {
        for letter in '\0'..=char::MAX {
            let once = fold(letter.encode_utf8(&mut [0; 4]));

            assert_eq!(fold(&once), once, "{letter:?}");
        }
    }
}

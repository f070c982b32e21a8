//! The form in which texts are searched and sorted: without case, accents and vowel marks.
//!
//! It is a function of the text alone, never of a language: the same contact is found by the same word for every caller.

use std::fmt::Write;

use icu_casemap::CaseMapper;
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// A stroke that stretches an Arabic word and means nothing.
const TATWEEL: char = '\u{640}';

/// The text as NFKD, without nonspacing marks (General_Category Mn) and tatweel, fully case folded (not the Turkic way).
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_onto(text, &mut folded);
    folded
}

/// Appends the folded `text`, so that who folds much needs no allocation for each.
pub(super) fn fold_onto(text: &str, folded: &mut String) {
    // Of ASCII, nothing decomposes, nothing is a mark, and folding is lower case.
    if text.is_ascii() {
        folded.extend(text.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
        return;
    }

    let categories = CodePointMapData::<GeneralCategory>::new();
    let bare: String = DecomposingNormalizerBorrowed::new_nfkd()
        .normalize_iter(text.chars())
        .filter(|&letter| letter.is_ascii() || (letter != TATWEEL && categories.get(letter) != GeneralCategory::NonspacingMark))
        .collect();
    write!(folded, "{}", CaseMapper::new().fold_string(&bare)).expect("a String takes every text");
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! The values by which a contact is found exactly, in the form in which they are compared.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// An email address in the form in which addresses are compared: they are ASCII, and case makes no difference.
pub fn email_key(email: &str) -> String {
    email.to_ascii_lowercase()
}

/// The decimal digits of a phone number, of any script, as ASCII; everything else is left out.
pub fn phone_key(phone: &str) -> String {
    let mut digits = String::new();
    push_digits(phone, &mut digits);
    digits
}

/// Appends the decimal digits of `phone`.
pub(crate) fn push_digits(phone: &str, digits: &mut String) {
    if phone.is_ascii() {
        digits.extend(phone.bytes().filter(u8::is_ascii_digit).map(char::from));
    } else {
        digits.extend(phone.chars().filter_map(digit));
    }
}

/// The decimal digit that a character stands for.
fn digit(letter: char) -> Option<char> {
    if letter.is_ascii() {
        return Some(letter).filter(char::is_ascii_digit);
    }
    // Unicode keeps each set of decimal digits (General_Category Nd) together, from zero to nine. Source: Unicode Character Encoding
    // Stability Policies, "Property Value Stability".
    let categories = CodePointMapData::<GeneralCategory>::new();
    let is_digit = |code: u32| categories.get32(code) == GeneralCategory::DecimalNumber;
    let code = u32::from(letter);
    if !is_digit(code) {
        return None;
    }
    let before = (0..code).rev().take_while(|&code| is_digit(code)).count();
    char::from_digit(before as u32 % 10, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script_count_by_their_value() {
        for (phone, digits) in [
            ("", ""),
            ("+971 (50) 123-45.67", "971501234567"),
            ("٠١٢٣٤٥٦٧٨٩", "0123456789"),
            ("۰۱۲۳۴۵۶۷۸۹", "0123456789"),
            ("०१२३४५६७८९ x", "0123456789"),
            ("０１２ ３４５", "012345"),
            ("\u{1d7ce}\u{1d7d7}\u{1d7d8}\u{1d7ff}", "0909"),
            ("ext. ½ ² Ⅷ 八", ""),
        ] {
            assert_eq!(phone_key(phone), digits, "{phone}");
        }
    }

    #[test]
    fn sets_of_digits_are_whole() {
        let categories = CodePointMapData::<GeneralCategory>::new();
        let mut run = 0;
        for code in 0..=u32::from(char::MAX) {
            if categories.get32(code) == GeneralCategory::DecimalNumber {
                run += 1;
            } else {
                assert_eq!(run % 10, 0, "before {code:x}");
                run = 0;
            }
        }
    }
}

//! Whether a text is an e-mail address as mail servers exchange it: `Mailbox` of RFC 5321, section 4.1.2.
//!
//! Not the address of RFC 5322, which allows comments and folding white space, and not the internationalised one of
//! RFC 6531.

#[cfg(feature = "openapi")]
pub(crate) mod openapi;

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest address: a path of 256 octets (RFC 5321, section 4.5.3.1.3) less its two angle brackets.
pub const MAXIMUM_LENGTH: usize = 254;

/// Whether `address` is a `Mailbox` of RFC 5321 of at most [`MAXIMUM_LENGTH`] octets.
pub fn is_mailbox(address: &str) -> bool {
    // The local part may hold an @ between quotes; a domain never holds one.
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    address.len() <= MAXIMUM_LENGTH && local.len() <= 64 && is_local_part(local) && is_domain_or_literal(domain)
}

fn is_local_part(local: &str) -> bool {
    match local.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').is_some_and(is_quoted_content),
        None => local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_text)),
    }
}

fn is_atom_text(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_quoted_content(content: &str) -> bool {
    let mut bytes = content.bytes();
    while let Some(byte) = bytes.next() {
        let allowed = match byte {
            b'\\' => bytes.next().is_some_and(|escaped| (b' '..=b'~').contains(&escaped)),
            b'"' => false,
            other => (b' '..=b'~').contains(&other),
        };
        if !allowed {
            return false;
        }
    }
    true
}

fn is_domain_or_literal(domain: &str) -> bool {
    match domain.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']').is_some_and(is_address_literal),
        None => domain.len() <= 255 && domain.split('.').all(is_domain_label),
    }
}

fn is_domain_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_address_literal(literal: &str) -> bool {
    match literal.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => literal[5..].parse::<Ipv6Addr>().is_ok(),
        _ => literal.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mail_servers_exchange_are_accepted() {
        for address in [
            "john.smith@example.com",
            "john+tag@sub.example.co",
            "o'brien@example.ie",
            "postmaster@localhost",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "\"john smith\"@example.com",
            "\"a@b\"@example.com",
            "\"a\\\"b\"@example.com",
            "\"\"@example.com",
            "user@[192.168.0.1]",
            "user@[IPv6:2001:db8::1]",
            "1@2.3",
        ] {
            assert!(is_mailbox(address), "{address}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_label = format!("a@{}.com", "b".repeat(64));
        let long_address = format!("a@{}com", "bcd.".repeat(63));
        assert_eq!(long_address.len(), 257);
        for address in [
            "",
            "john",
            "@example.com",
            "john@",
            "john@@example.com",
            ".john@example.com",
            "john.@example.com",
            "jo..hn@example.com",
            "john smith@example.com",
            " john@example.com",
            "john@example.com ",
            "john@-example.com",
            "john@example-.com",
            "john@example..com",
            "john@exa_mple.com",
            "john@.com",
            "jörg@example.com",
            "john@exämple.com",
            "John <john@example.com>",
            "\"john@example.com",
            "\"a\"b\"@example.com",
            "user@[192.168.0]",
            "user@[IPv6:zz]",
            "user@[é:192]",
            "john@example.com\n",
            &long_local,
            &long_label,
            &long_address,
        ] {
            assert!(!is_mailbox(address), "{address}");
        }
    }
}

//! The key with which requests act that come to the local gateway without credentials.
//!
//! It is an ordinary key in the ordinary table: the functions check it like any other and know nothing of where it came from.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use shared::api_key::{ApiKey, KeyRecord};
use shared::contact::{User, UserType};
use shared::timestamp::Timestamp;

/// The file in a data folder that holds the key.
const FILE: &str = "development.key";

/// The key file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("The development key in {} cannot be used: {source}.", file.display())]
pub struct KeyFileError {
    file: PathBuf,
    source: io::Error,
}

/// Where the key of a data folder is kept.
pub fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// The key in a file, made when there is none.
///
/// # Errors
/// When the file cannot be read or written.
pub fn of_file(file: &Path) -> Result<ApiKey, KeyFileError> {
    let failed = |source| KeyFileError { file: file.to_owned(), source };
    match fs::read_to_string(file) {
        Ok(kept) if !kept.trim().is_empty() => return Ok(ApiKey::new(kept.trim())),
        Ok(_) => fs::remove_file(file).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let key = ApiKey::generate();
    // Made with its mode: there is no moment in which others may read it.
    let mut new = File::options().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    writeln!(new, "{}", key.secret()).map_err(failed)?;
    Ok(key)
}

/// Whose key it is: the one tenant, namespace and administrator of a developer's machine.
pub fn record(key: &ApiKey, now: Timestamp) -> KeyRecord {
    KeyRecord {
        hash: key.hash(),
        tenant: "local".to_owned(),
        namespaces: vec!["company1".to_owned()],
        user: User {
            id: "60f1b2b3c9e9a12345678901".to_owned(),
            username: Some("admin_user".to_owned()),
            name: Some("Admin User".to_owned()),
            kind: UserType::Admin,
            others: Default::default(),
        },
        created_at: now,
        expires_at: None,
        revoked_at: None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_kept_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        let made = of_file(&file).unwrap();
        assert_eq!(of_file(&file).unwrap().secret(), made.secret());
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_empty_key_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        fs::write(&file, "\n").unwrap();
        assert!(of_file(&file).unwrap().secret().len() > 32);
    }
}

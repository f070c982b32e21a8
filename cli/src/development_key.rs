//! The key that the local gateway adds to requests without credentials.
//!
//! It is an ordinary key in the ordinary table: the functions check it like any other key.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shared::api_key::{ApiKey, KeyAdmin, KeyRecord};
use shared::clock;
use shared::error::Error;
use shared::timestamp::Timestamp;
use shared::user::{User, UserType};
use tokio::task::JoinHandle;
use tokio::time;

use crate::tables::causes;

/// The file in a data folder that holds the key.
const FILE: &str = "development.key";

/// The tenant of every development key.
const TENANT: &str = "local";

/// The id of the user that every development key acts as.
const USER: &str = "60f1b2b3c9e9a12345678901";

/// How long a key is valid in a DynamoDB that outlives this program, in milliseconds, unless it is renewed.
const LEASE_MILLIS: i64 = 60 * 60 * 1000;

/// How often it is renewed: one or two renewals may fail.
const RENEWAL: Duration = Duration::from_secs(15 * 60);

/// Why there is no development key. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentKeyError {
    /// The key file cannot be read or written.
    #[error("The development key in {} cannot be used: {source}.", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// DynamoDB does not take the key.
    #[error("The development key cannot be stored: {0}.")]
    NotStored(String),
}

impl From<Error> for DevelopmentKeyError {
    fn from(error: Error) -> DevelopmentKeyError {
        DevelopmentKeyError::NotStored(causes(&error))
    }
}

/// Where the key of a data folder is kept.
pub fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// A key that is valid until it is revoked.
///
/// # Errors
/// When it cannot be stored.
pub async fn new(keys: &KeyAdmin) -> Result<ApiKey, DevelopmentKeyError> {
    let key = ApiKey::generate();
    keys.put(&record(&key, clock::now())).await?;
    Ok(key)
}

/// The key that is kept in a file. A revoked key stays revoked, and a new one replaces it.
///
/// # Errors
/// When the file cannot be read or written, or the key cannot be stored.
pub async fn kept(keys: &KeyAdmin, file: &Path) -> Result<ApiKey, DevelopmentKeyError> {
    let now = clock::now();
    let key = of_file(file)?;
    match keys.find(&key.hash()).await? {
        Some(found) if found.is_valid(now) => Ok(key),
        Some(found) => {
            tracing::warn!("The development key {} is no longer valid; {} holds a new one.", found.id(), file.display());
            fs::remove_file(file).map_err(|source| DevelopmentKeyError::File { file: file.to_owned(), source })?;
            let key = of_file(file)?;
            keys.put(&record(&key, now)).await?;
            Ok(key)
        }
        None => {
            keys.put(&record(&key, now)).await?;
            Ok(key)
        }
    }
}

/// A development key in a DynamoDB that other programs use too: it is removed at the end, and expires if this program crashes.
#[derive(Debug)]
pub struct Lease {
    keys: KeyAdmin,
    hash: String,
    renewing: JoinHandle<()>,
}

impl Lease {
    /// Makes a key, and removes those that have expired because their program died.
    ///
    /// # Errors
    /// When DynamoDB does not answer.
    pub async fn begin(keys: KeyAdmin) -> Result<(ApiKey, Lease), DevelopmentKeyError> {
        let now = clock::now();
        let is_left = |record: &KeyRecord| {
            record.tenant == TENANT && record.user.id == USER && record.expires_at.is_some_and(|expiry| expiry <= now)
        };
        for left in keys.list().await?.records.into_iter().filter(is_left) {
            keys.remove(&left.hash).await?;
        }

        let key = ApiKey::generate();
        let hash = key.hash();
        keys.put(&KeyRecord { expires_at: Some(now.plus_millis(LEASE_MILLIS)), ..record(&key, now) }).await?;
        let renewing = tokio::spawn(renew(keys.clone(), hash.clone()));
        Ok((key, Lease { keys, hash, renewing }))
    }

    /// Removes the key.
    pub async fn end(self) {
        self.renewing.abort();
        if let Err(error) = self.keys.remove(&self.hash).await {
            tracing::warn!("The development key cannot be removed, and expires within an hour: {}.", causes(&error));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

async fn renew(keys: KeyAdmin, hash: String) {
    loop {
        time::sleep(RENEWAL).await;
        if let Err(error) = keys.extend(&hash, clock::now().plus_millis(LEASE_MILLIS)).await {
            tracing::warn!("The development key cannot be renewed: {}.", causes(&error));
        }
    }
}

/// The key in a file, made when there is none.
fn of_file(file: &Path) -> Result<ApiKey, DevelopmentKeyError> {
    let failed = |source| DevelopmentKeyError::File { file: file.to_owned(), source };
    match fs::read_to_string(file) {
        Ok(kept) if !kept.trim().is_empty() => return Ok(ApiKey::new(kept.trim())),
        Ok(_) => fs::remove_file(file).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let key = ApiKey::generate();
    // Created with its mode, so that others can never read it.
    let mut new = File::options().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    writeln!(new, "{}", key.secret()).map_err(failed)?;
    Ok(key)
}

/// Whose key it is: the one tenant, namespace and administrator of a developer's machine.
pub fn record(key: &ApiKey, now: Timestamp) -> KeyRecord {
    KeyRecord {
        hash: key.hash(),
        tenant: TENANT.to_owned(),
        namespaces: vec!["company1".to_owned()],
        user: User {
            id: USER.to_owned(),
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

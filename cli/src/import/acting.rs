//! As whom an import acts: an API key gives its tenant, its namespaces and its user.

use shared::api_key::{ApiKey, KeyAdmin, KeyRecord};
use shared::caller::Caller;
use shared::error::Error;
use shared::timestamp::Timestamp;

use crate::development_key;

/// Why no key can be used. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ActingError {
    /// The command line names no key, and the tenant has none.
    #[error(
        "The tenant {tenant} has no valid API key: create one with `contacts keys create --tenant '{tenant}' …`; an import acts as \
         the user of a key, in its namespaces."
    )]
    NoKey {
        /// The tenant.
        tenant: String,
    },
    /// The command line names no key, and the tenant has several.
    #[error("The tenant {tenant} has several API keys: name one with --key, of {}.", ids.join(", "))]
    SeveralKeys {
        /// The tenant.
        tenant: String,
        /// The keys' ids.
        ids: Vec<String>,
    },
    /// The key is not there, revoked or expired.
    #[error("No valid key has the id {0}; `contacts keys list` shows them.")]
    NotFound(String),
    /// The key belongs to somebody else.
    #[error("The key {id} belongs to the tenant {of}, not to {tenant}.")]
    OtherTenant {
        /// The key's id.
        id: String,
        /// Its tenant.
        of: String,
        /// The tenant that the command line names.
        tenant: String,
    },
    /// DynamoDB refuses, or does not answer.
    #[error("The table of API keys cannot be used: {0}.")]
    Refused(String),
}

impl From<Error> for ActingError {
    fn from(error: Error) -> ActingError {
        ActingError::Refused(shared::error::causes(&error))
    }
}

/// The caller that an import in `tenant` acts as: the key with the id `key`, or the only valid one. The tenant of development
/// keys needs none.
///
/// # Errors
/// When there is no such key, or nobody can tell which.
pub async fn caller(keys: &KeyAdmin, tenant: &str, key: Option<&str>, now: Timestamp) -> Result<Caller, ActingError> {
    choose(keys.list().await?.records, tenant, key, now)
}

fn choose(records: Vec<KeyRecord>, tenant: &str, key: Option<&str>, now: Timestamp) -> Result<Caller, ActingError> {
    let mut valid = records.into_iter().filter(|record| record.is_valid(now));
    if let Some(id) = key {
        let found = valid.find(|record| record.id() == id || record.hash == id);
        let found = found.ok_or_else(|| ActingError::NotFound(id.to_owned()))?;
        if found.tenant != tenant {
            return Err(ActingError::OtherTenant { id: id.to_owned(), of: found.tenant, tenant: tenant.to_owned() });
        }
        return Ok(of_record(found));
    }
    // Whose contacts a local server shows to requests without a key.
    let development = development_key::record(&ApiKey::new(""), now);
    if tenant == development.tenant {
        return Ok(of_record(development));
    }
    let mut own: Vec<KeyRecord> = valid.filter(|record| record.tenant == tenant).collect();
    match (own.len(), own.pop()) {
        (1, Some(only)) => Ok(of_record(only)),
        (_, None) => Err(ActingError::NoKey { tenant: tenant.to_owned() }),
        (_, Some(last)) => {
            let ids = own.iter().chain([&last]).map(|record| record.id().to_owned()).collect();
            Err(ActingError::SeveralKeys { tenant: tenant.to_owned(), ids })
        }
    }
}

fn of_record(record: KeyRecord) -> Caller {
    Caller { tenant: record.tenant, namespaces: record.namespaces, user: record.user }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

    fn record(secret: &str, tenant: &str, revoked: bool) -> KeyRecord {
        let key = ApiKey::new(secret);
        let revoked_at = revoked.then_some(NOW);
        KeyRecord {
            tenant: tenant.to_owned(),
            namespaces: vec![secret.to_owned()],
            revoked_at,
            ..development_key::record(&key, NOW)
        }
    }

    #[test]
    fn a_key_is_named_unless_there_is_only_one() {
        let records =
            || vec![record("a", "acme", false), record("b", "acme", true), record("c", "two", false), record("d", "two", false)];
        let choose = |tenant, key: Option<&str>| {
            choose(records(), tenant, key, NOW).map(|caller| caller.namespaces.join(",")).map_err(|error| error.to_string())
        };
        let ids: Vec<String> = records().iter().map(|record| record.id().to_owned()).collect();

        assert_eq!(choose("acme", None).as_deref(), Ok("a"));
        assert_eq!(choose("acme", Some(&ids[0])).as_deref(), Ok("a"));
        assert_eq!(choose("local", None).as_deref(), Ok("company1"));
        assert!(choose("acme", Some(&ids[1])).unwrap_err().starts_with("No valid key has the id "));
        assert!(choose("acme", Some(&ids[2])).unwrap_err().ends_with("belongs to the tenant two, not to acme."));
        assert!(choose("two", None).unwrap_err().ends_with(&format!("of {}, {}.", ids[2], ids[3])));
        assert!(choose("nobody", None).unwrap_err().starts_with("The tenant nobody has no valid API key"));
    }
}

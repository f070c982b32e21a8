//! A data folder: created, locked, and checked for damage before the engine opens its database.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use dynoxide::Database;
use rusqlite::{Connection, ErrorCode};

use super::EngineError;
use super::operations::is_damage;
use super::wal;

/// The database in a data folder.
const DATABASE: &str = "contacts.db";

/// The largest database that is checked as a whole before it is opened, which takes 0.15 seconds for 100 MB. In a larger one, damage
/// shows when it is read.
const LOOKED_THROUGH: u64 = 256 * 1024 * 1024;

/// What to do when a data folder does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Create it and its parents.
    MakeAll,
    /// Create it in an existing folder.
    MakeOne,
    /// Fail: a new folder has nothing to read.
    Fail,
}

/// An open data folder.
pub(super) struct Folder {
    pub(super) database: Database,
    pub(super) file: PathBuf,
    /// No other process opens the folder while this lives.
    pub(super) lock: File,
}

/// Opens the database in a folder, and locks the folder.
pub(super) fn open(folder: &Path, missing: Missing) -> Result<Folder, EngineError> {
    let file = folder.join(DATABASE);
    let failed = |source| EngineError::Folder { folder: folder.to_owned(), source };
    // Contacts are personal data: only its owner can read a new folder.
    match (missing, fs::metadata(folder)) {
        (Missing::Fail, _) => {
            if !file.try_exists().map_err(failed)? {
                return Err(EngineError::NoDatabase { folder: folder.to_owned() });
            }
        }
        (Missing::MakeOne, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().mode(0o700).create(folder).map_err(failed)?;
        }
        (Missing::MakeOne, found) => {
            found.map_err(failed)?;
        }
        (Missing::MakeAll, _) => fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?,
    }
    let lock = lock(folder)?;
    let incomplete = wal::incomplete(&file).map_err(failed)?;
    look_through(&file)?;
    let database = Database::new(&file.to_string_lossy()).map_err(|error| match is_damage(&error) {
        true => EngineError::Damaged { file: file.clone() },
        false => EngineError::Database { place: file.display().to_string(), reason: error.to_string() },
    })?;
    if let Some(bytes) = incomplete {
        tracing::warn!(
            "The last {bytes} bytes of {}-wal are no complete change and are left out. After a crash that is a change which \
             was never acknowledged; if the file was copied or cut, what was changed last is missing.",
            file.display()
        );
    }
    Ok(Folder { database, file, lock })
}

/// Locks a folder. The engine itself would let two processes open it, each with its own cache.
fn lock(folder: &Path) -> Result<File, EngineError> {
    let failed = |source| EngineError::Folder { folder: folder.to_owned(), source };
    let lock = File::options().create(true).append(true).open(folder.join("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Checks for damage that would otherwise show during a call.
fn look_through(file: &Path) -> Result<(), EngineError> {
    let Ok(found) = fs::metadata(file) else { return Ok(()) };
    let checked = Connection::open(file).and_then(|connection| {
        let check = if found.len() <= LOOKED_THROUGH { "PRAGMA quick_check(1)" } else { "PRAGMA schema_version" };
        connection.query_row(check, [], |row| Ok(row.get::<_, String>(0).unwrap_or_else(|_| "ok".to_owned())))
    });
    match checked {
        Ok(found) if found == "ok" => Ok(()),
        Ok(_) => Err(EngineError::Damaged { file: file.to_owned() }),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Err(EngineError::Damaged { file: file.to_owned() }),
            _ => Err(EngineError::Database { place: file.display().to_string(), reason: error.to_string() }),
        },
    }
}

//! The store of objects, in which snapshots are: S3 on AWS, a folder or memory on one machine.
//!
//! An object has a random name, is written once and never changed. So nobody ever reads half of one, or another than was meant.
//!
//! S3 is spoken to through the HTTP client and the signatures of the AWS SDK, without the SDK of S3: three requests are all that is needed. See
//! `docs/adr/0025-object-store.md`.

mod s3;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;

use crate::hex::hex;
pub use s3::S3;

/// What the name of a file ends with until it is whole.
const UNFINISHED: &str = ".unfinished";

/// A place of objects. Clones are the same place.
#[derive(Clone, Debug)]
pub struct Objects(Arc<Place>);

#[derive(Debug)]
enum Place {
    S3(S3),
    Folder(PathBuf),
    Memory(Mutex<HashMap<String, Arc<[u8]>>>),
}

/// Why an object cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is no such object, or it is shorter.
    #[error("the object {0} is not there, or not all of it")]
    Missing(String),
    /// The store refuses the request, and would again.
    #[error("the object store refuses: {0}")]
    Refused(String),
    /// The store is busy, slow or out of reach, after all tries.
    #[error("the object store does not answer: {0}")]
    Unavailable(String),
}

impl Objects {
    /// The objects of a bucket.
    pub fn in_s3(s3: S3) -> Self {
        Self(Arc::new(Place::S3(s3)))
    }

    /// The objects in a folder, which is made with the first of them.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Place::Folder(folder.into())))
    }

    /// Objects that end with the process.
    pub fn in_memory() -> Self {
        Self(Arc::new(Place::Memory(Mutex::default())))
    }

    /// A name that no other object has.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Refused`] when the operating system has no random bytes.
    pub fn new_name() -> Result<String, ObjectError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| ObjectError::Refused(error.to_string()))?;
        Ok(hex(&random))
    }

    /// These bytes of an object, exactly so many.
    ///
    /// # Errors
    ///
    /// [`ObjectError`]; [`ObjectError::Missing`] also when the object is shorter.
    pub async fn read(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        match &*self.0 {
            Place::S3(s3) => s3.read(name, range).await,
            Place::Folder(folder) => {
                let (path, name) = (folder.join(name), name.to_owned());
                blocking(move || read_file(&path, &name, range)).await
            }
            Place::Memory(objects) => {
                let object = lock(objects).get(name).cloned();
                let bounds = (usize::try_from(range.start), usize::try_from(range.end));
                let part = |object: &Arc<[u8]>| object.get(bounds.0.ok()?..bounds.1.ok()?).map(<[u8]>::to_vec);
                object.as_ref().and_then(part).ok_or_else(|| ObjectError::Missing(name.to_owned()))
            }
        }
    }

    /// Writes an object, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`ObjectError`]. After [`ObjectError::Unavailable`] it can be there all the same.
    pub async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        match &*self.0 {
            Place::S3(s3) => s3.create(name, bytes).await,
            Place::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.to_owned());
                blocking(move || write_file(&folder, &name, &bytes).map_err(|error| refused(&error))).await
            }
            Place::Memory(objects) => {
                lock(objects).insert(name.to_owned(), bytes.into());
                Ok(())
            }
        }
    }

    /// Deletes an object, if it is there.
    ///
    /// # Errors
    ///
    /// [`ObjectError`].
    pub async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        match &*self.0 {
            Place::S3(s3) => s3.delete(name).await,
            Place::Folder(folder) => {
                let paths = [folder.join(name), folder.join(format!("{name}{UNFINISHED}"))];
                let delete = move || {
                    for path in paths {
                        match std::fs::remove_file(path) {
                            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(&error)),
                            _ => {}
                        }
                    }
                    Ok(())
                };
                blocking(delete).await
            }
            Place::Memory(objects) => {
                lock(objects).remove(name);
                Ok(())
            }
        }
    }

    /// Opens a connection, so that the first read need not. Nothing is read.
    pub async fn connect(&self) {
        if let Place::S3(s3) = &*self.0 {
            s3.connect().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what waits for a disk where it holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ObjectError> + Send + 'static) -> Result<T, ObjectError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(ObjectError::Refused(error.to_string())))
}

fn refused(error: &io::Error) -> ObjectError {
    ObjectError::Refused(error.to_string())
}

fn read_file(path: &Path, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
    let missing = || ObjectError::Missing(name.to_owned());
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
        file => file.map_err(|error| refused(&error))?,
    };
    let length = file.metadata().map_err(|error| refused(&error))?.len();
    if range.end > length || range.start > range.end {
        return Err(missing());
    }
    let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(|_| missing())?];
    file.read_exact_at(&mut bytes, range.start).map_err(|error| refused(&error))?;
    Ok(bytes)
}

/// Writes a file under another name first, so that a crash leaves no half of it under its own.
fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!("{name}{UNFINISHED}"));
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_is_read_as_it_was_written_until_it_is_deleted() {
        let folder = std::env::temp_dir().join(format!("objects-{}", Objects::new_name().unwrap()));
        for objects in [Objects::in_memory(), Objects::in_folder(&folder)] {
            let missing = objects.read("a", 0..1).await;
            assert!(matches!(missing, Err(ObjectError::Missing(_))), "{missing:?}");
            objects.delete("a").await.unwrap();

            objects.create("a", b"0123456789".to_vec()).await.unwrap();

            assert_eq!(objects.read("a", 0..10).await.unwrap(), b"0123456789");
            assert_eq!(objects.read("a", 3..5).await.unwrap(), b"34");
            assert_eq!(objects.read("a", 10..10).await.unwrap(), b"");
            let longer = objects.read("a", 3..11).await;
            assert!(matches!(longer, Err(ObjectError::Missing(_))), "{longer:?}");
            objects.delete("a").await.unwrap();
            let gone = objects.read("a", 0..1).await;
            assert!(matches!(gone, Err(ObjectError::Missing(_))), "{gone:?}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

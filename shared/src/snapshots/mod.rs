//! Snapshots of tenants' indexes: builds them, looks after them, and deletes what is old. `listing` reads them.
//!
//! `plan` decides; this does the I/O. A tenant's next snapshot is built by whoever has the lease in its manifest. The lease names the object that is
//! being written, so a writer that ends halfway leaves nothing that nobody knows of.

pub mod plan;

use std::future::ready;
use std::io;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use index::entry::TextField;
use index::fold::UNICODE_TABLES;
use index::snapshot::{FORMAT, write};
use tokio::sync::Semaphore;

use crate::bounds::{SNAPSHOT_CONTACTS, SNAPSHOT_LEASE};
use crate::clock;
use crate::environment::{StartError, number};
use crate::error::{Error, causes};
use crate::listing::ListConfig;
use crate::listing::tenant::{LOAD_READERS, Reader, Tenant};
use crate::meter::{Count, Meter};
use crate::objects::{ObjectError, Objects};
use crate::store::{Current, Lease, Manifest, Store, Swap};
use crate::timestamp::Timestamp;
use plan::{Base, Log, Step};

/// How many tenants the schedule looks after at the same time. Only one of them builds.
const LOOKS: usize = 16;

/// What is left of a call's time when the last build begins. A tenant of a million contacts takes some twenty seconds from its log.
const LEAST_BUILD: Duration = Duration::from_secs(120);

/// All snapshots, as who writes them sees them.
#[derive(Debug)]
pub struct Snapshots {
    store: Store,
    objects: Objects,
    config: ListConfig,
    least_contacts: u64,
    clock: fn() -> Timestamp,
    building: Semaphore,
    loaders: Semaphore,
}

/// What was done with a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// Nothing had to be done, or no time was left for it.
    Nothing,
    /// The snapshot is complete up to now as it is.
    MovedOn,
    /// There is a new snapshot.
    Built(Current),
    /// The tenant has so few contacts that it needs none.
    Small {
        /// How many.
        contacts: u64,
    },
    /// Somebody else builds it, or was further.
    ElsewhereBuilt,
}

impl Snapshots {
    /// The snapshots in `objects` of the tenants in `store`; `config` says how large their indexes can be and how their logs are read.
    pub fn new(store: Store, objects: Objects, config: ListConfig) -> Self {
        Self {
            store,
            objects,
            config,
            least_contacts: SNAPSHOT_CONTACTS,
            clock: clock::now,
            building: Semaphore::new(1),
            loaders: Semaphore::new(LOAD_READERS),
        }
    }

    /// The same, as the environment says: `SNAPSHOT_CONTACTS` is how many contacts a tenant has that gets a snapshot, for tests.
    ///
    /// # Errors
    ///
    /// [`StartError::NotANumber`].
    pub fn configured(self) -> Result<Self, StartError> {
        Ok(match number("SNAPSHOT_CONTACTS")? {
            Some(least_contacts) => self.with_least_contacts(least_contacts),
            None => self,
        })
    }

    /// The same, with the time that `clock` tells.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }

    /// The same, for tenants of so many contacts and more.
    #[must_use]
    pub fn with_least_contacts(self, least_contacts: u64) -> Self {
        Self { least_contacts, ..self }
    }

    /// Where the objects are.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Opens a connection to the objects.
    pub async fn connect(&self) {
        self.objects.connect().await;
    }

    /// Takes note of changes of a tenant, and builds its next snapshot if it is time and `deadline` leaves some. A build that fails is logged and
    /// counted: the schedule tries again.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`] when the changes could not be noted.
    pub async fn changed(&self, meter: &Meter, tenant: &str, changes: u64, deadline: Instant) -> Result<Done, Error> {
        let manifest = self.store.count_changes(meter, tenant, changes).await?;
        let Some(base) = plan::after_changes(&manifest, &format(), (self.clock)()) else { return Ok(Done::Nothing) };
        Ok(self.build_before(meter, tenant, base, deadline).await)
    }

    /// Looks after the snapshots of all tenants: what is to be deleted, moved on or built again. What `deadline` leaves no time for, the next run
    /// does. A failure with one tenant is logged and counted, and concerns no other.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`] when the manifests cannot be listed.
    pub async fn look_after_all(&self, meter: &Meter, deadline: Instant) -> Result<u64, Error> {
        let mut after: Option<String> = None;
        let mut tenants = 0;
        while Instant::now() < deadline {
            let manifests = self.store.manifests(meter, after.as_deref()).await?;
            let Some(last) = manifests.last() else { break };
            after = Some(last.tenant.clone());
            tenants += manifests.len() as u64;
            let mut looks = FuturesUnordered::new();
            for manifest in &manifests {
                looks.push(self.look_after_or_log(meter, manifest, deadline));
                if looks.len() == LOOKS {
                    looks.next().await;
                }
            }
            while looks.next().await.is_some() {}
        }
        Ok(tenants)
    }

    async fn look_after_or_log(&self, meter: &Meter, manifest: &Manifest, deadline: Instant) {
        if let Err(error) = self.look_after(meter, manifest, deadline).await {
            meter.count(Count::SnapshotsFailed, 1);
            let causes = causes(&error);
            tracing::error!(tenant = manifest.tenant, causes, "the snapshot of a tenant could not be looked after");
        }
    }

    /// Looks after the snapshot of one tenant.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn look_after(&self, meter: &Meter, manifest: &Manifest, deadline: Instant) -> Result<Done, Error> {
        let (now, tenant) = ((self.clock)(), manifest.tenant.as_str());
        let mut log = Log::default();
        if let Some(current) = &manifest.current {
            let since = current.moment.plus_millis(-self.config.long_overlap);
            log.has_changed = self.store.has_changes_since(meter, tenant, since).await?;
            if log.has_changed {
                log.generation = self.store.last_reset_mark(meter, tenant).await?.map(|mark| mark.generation);
            }
        }
        let care = plan::on_schedule(manifest, &log, &format(), now);
        if let Some(object) = &care.abandoned {
            self.delete_object(object).await?;
            self.store.release_manifest(meter, tenant, object).await?;
        }
        if let Some(object) = &care.predecessor {
            self.delete_object(object).await?;
            self.store.forget_predecessor(meter, tenant, object).await?;
        }
        match (care.step, &manifest.current) {
            (Step::MoveOn, Some(current)) => {
                let is_current = self.store.move_manifest_on(meter, tenant, &current.object, now).await?;
                Ok(if is_current { Done::MovedOn } else { Done::ElsewhereBuilt })
            }
            (Step::Build(base), _) => Ok(self.build_before(meter, tenant, base, deadline).await),
            (Step::Replace, _) => {
                tracing::warn!(tenant, "a snapshot is taken away because it lacks changes and could not be built again in time");
                self.take_away(meter, manifest).await?;
                Ok(self.build_before(meter, tenant, Base::Log, deadline).await)
            }
            (Step::Keep | Step::MoveOn, _) => Ok(Done::Nothing),
        }
    }

    /// Ends all leases and deletes what was being written, for a program that knows that nobody else writes snapshots.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn take_over(&self, meter: &Meter) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let manifests = self.store.manifests(meter, after.as_deref()).await?;
            let Some(last) = manifests.last() else { return Ok(()) };
            after = Some(last.tenant.clone());
            for manifest in &manifests {
                if let Some(lease) = &manifest.lease {
                    self.delete_object(&lease.object).await?;
                    self.store.release_manifest(meter, &manifest.tenant, &lease.object).await?;
                }
            }
        }
    }

    /// Deletes a tenant's snapshot and its predecessor at once; false when it has none. The next change builds another.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn delete(&self, meter: &Meter, tenant: &str) -> Result<bool, Error> {
        let Some(manifest) = self.store.manifest(meter, tenant, true).await? else { return Ok(false) };
        self.take_away(meter, &manifest).await?;
        Ok(manifest.current.is_some() || manifest.predecessor.is_some())
    }

    async fn take_away(&self, meter: &Meter, manifest: &Manifest) -> Result<(), Error> {
        let tenant = manifest.tenant.as_str();
        if let Some(current) = &manifest.current {
            let unreferenced = self.store.retire_snapshot(meter, manifest, false, (self.clock)()).await?;
            self.delete_object(&current.object).await?;
            if let Some(object) = unreferenced {
                self.delete_object(&object).await?;
            }
            self.store.forget_predecessor(meter, tenant, &current.object).await?;
        } else if let Some(old) = &manifest.predecessor {
            self.delete_object(&old.object).await?;
            self.store.forget_predecessor(meter, tenant, &old.object).await?;
        }
        Ok(())
    }

    /// Builds a snapshot when there is time, one after the other. A failure is logged and counted.
    async fn build_before(&self, meter: &Meter, tenant: &str, base: Base, deadline: Instant) -> Done {
        let Ok(_turn) = self.building.acquire().await else { return Done::Nothing };
        if Instant::now() + LEAST_BUILD > deadline {
            return Done::Nothing;
        }
        let building = self.build(meter, tenant, base);
        let result = tokio::time::timeout_at(deadline.into(), building).await;
        let failure = match result {
            Ok(Ok(done)) => return done,
            Ok(Err(error)) => causes(&error),
            Err(_) => "the function's time was over".to_owned(),
        };
        meter.count(Count::SnapshotsFailed, 1);
        tracing::error!(tenant, causes = failure, "the snapshot of a tenant could not be built");
        Done::Nothing
    }

    /// Builds a tenant's next snapshot.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`]. The snapshot that was there still is.
    pub async fn build(&self, meter: &Meter, tenant: &str, base: Base) -> Result<Done, Error> {
        let now = (self.clock)();
        let object = Objects::new_name().map_err(of_store)?;
        let life = i64::try_from(SNAPSHOT_LEASE.as_millis()).unwrap_or(i64::MAX);
        let lease = Lease { object: object.clone(), until: now.plus_millis(life) };
        let Some(before) = self.store.lease_manifest(meter, tenant, &lease, now).await? else { return Ok(Done::ElsewhereBuilt) };
        if let Some(abandoned) = before.lease.as_ref().filter(|abandoned| abandoned.object != object) {
            self.delete_object(&abandoned.object).await?;
        }
        let built = self.build_leased(meter, &before, base, &object, now).await;
        if built.is_err() {
            // When this fails too, the schedule does it after the lease.
            if self.delete_object(&object).await.is_ok() {
                let _still_leased = self.store.release_manifest(meter, tenant, &object).await.is_err();
            }
        }
        built
    }

    async fn build_leased(
        &self,
        meter: &Meter,
        before: &Manifest,
        base: Base,
        object: &str,
        now: Timestamp,
    ) -> Result<Done, Error> {
        let name = before.tenant.as_str();
        let tenant = Tenant::new(name, 0, self.config.bounds());
        let objects = (base == Base::Snapshot).then_some(&self.objects);
        let reader = Reader { store: &self.store, objects, meter, loaders: &self.loaders };
        let (fresh, _) = tenant.refresh(&reader, now, |_| ready(())).await?;
        let nothing = || Error::Internal("an index that was loaded is not there".into());
        let (index, origin) = (fresh.index().ok_or_else(nothing)?, fresh.origin(name).ok_or_else(nothing)?);
        let contacts = index.len() as u64;
        if contacts < self.least_contacts {
            let unreferenced = self.store.retire_snapshot(meter, before, true, now).await?;
            if let Some(unreferenced) = unreferenced {
                self.delete_object(&unreferenced).await?;
            }
            return Ok(Done::Small { contacts });
        }
        let mut bytes = Vec::new();
        let written = write(index, &origin, &mut |part: Vec<u8>| {
            bytes.extend_from_slice(&part);
            Ok::<_, io::Error>(())
        });
        let written = written.map_err(|error| Error::Internal(error.into()))?;
        let current = Current {
            object: object.to_owned(),
            bytes: written.bytes,
            moment: origin.moment,
            written_at: origin.moment,
            log_read_at: origin.log_read_at,
            generation: origin.reset.map(|reset| reset.generation),
            contacts,
            format: format(),
        };
        drop(fresh);
        self.objects.create(object, bytes).await.map_err(of_store)?;
        match self.store.swap_manifest(meter, before, &current, (self.clock)()).await? {
            Swap::Done { unreferenced } => {
                meter.count(Count::SnapshotsBuilt, 1);
                if let Some(unreferenced) = unreferenced {
                    self.delete_object(&unreferenced).await?;
                }
                Ok(Done::Built(current))
            }
            Swap::Behind => {
                self.delete_object(object).await?;
                self.store.release_manifest(meter, name, object).await?;
                Ok(Done::ElsewhereBuilt)
            }
        }
    }

    async fn delete_object(&self, object: &str) -> Result<(), Error> {
        self.objects.delete(object).await.map_err(of_store)
    }
}

/// What a program must read to use the snapshots that this one writes.
fn format() -> String {
    let columns = TextField::ALL.map(TextField::name).join(",");
    format!("{FORMAT} {UNICODE_TABLES:08x} {columns}")
}

fn of_store(error: ObjectError) -> Error {
    match error {
        ObjectError::Unavailable(_) | ObjectError::Missing(_) => Error::Unavailable(error.into()),
        ObjectError::Refused(_) => Error::Internal(error.into()),
    }
}

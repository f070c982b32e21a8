//! Snapshots of tenants' indexes: when they are built, and from what.

pub mod plan;

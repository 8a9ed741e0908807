//! Where replicas share what they know of callers' keys.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::cluster::{
    bucket::Bucket,
    bucket_error::BucketError,
    entry::{Entry, Written},
};

/// Entries that all replicas see, each with a revision that every write has to name.
pub trait Board: fmt::Debug + Send + Sync {
    /// Makes it where it is absent, and looks whether it is sound.
    fn prepare(&self) -> BoxFuture<'_, Result<(), BucketError>>;

    /// Whether entries were lost in this run that would still stand.
    fn has_lost(&self) -> bool;

    /// How often entries were lost in this run.
    fn losses(&self) -> u64;

    /// Reads an entry.
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Entry, BucketError>>;

    /// Writes an entry, if it still has the revision that was read.
    fn write<'a>(
        &'a self,
        name: &'a str,
        value: Bytes,
        revision: u64,
    ) -> BoxFuture<'a, Result<Written, BucketError>>;

    /// Removes an entry, if it still has the revision that was read.
    fn remove<'a>(
        &'a self,
        name: &'a str,
        revision: u64,
    ) -> BoxFuture<'a, Result<Written, BucketError>>;
}

impl Board for Bucket {
    fn prepare(&self) -> BoxFuture<'_, Result<(), BucketError>> {
        Box::pin(self.make_once())
    }

    fn has_lost(&self) -> bool {
        Self::has_lost(self)
    }

    fn losses(&self) -> u64 {
        Self::losses(self)
    }

    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Entry, BucketError>> {
        Box::pin(async move {
            self.make_once().await?;
            self.peek(name).await
        })
    }

    fn write<'a>(
        &'a self,
        name: &'a str,
        value: Bytes,
        revision: u64,
    ) -> BoxFuture<'a, Result<Written, BucketError>> {
        Box::pin(async move {
            self.make_once().await?;
            Self::write(self, name, value, revision).await
        })
    }

    fn remove<'a>(
        &'a self,
        name: &'a str,
        revision: u64,
    ) -> BoxFuture<'a, Result<Written, BucketError>> {
        Box::pin(async move {
            self.make_once().await?;
            Self::remove(self, name, revision).await
        })
    }
}

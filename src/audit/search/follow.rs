//! Records as they come, oldest first, that are asked for.

use std::path::Path;

use crate::audit::{
    forward::{Forward, Go},
    search::{fields::Fields, filters::Filters, passed_over::PassedOver},
    verify::Unreadable,
};

/// Follows a journal that grows.
#[derive(Debug)]
pub struct Follow {
    forward: Forward,
    passed_over: Option<PassedOver>,
}

impl Follow {
    /// Begins behind the last record, and tells the number that is due next.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub fn from_end(dir: &Path) -> Result<(Self, u64), Unreadable> {
        let (forward, due) = Forward::from_end(dir)?;
        let passed_over = None;
        Ok((
            Self {
                forward,
                passed_over,
            },
            due,
        ))
    }

    /// Tells every line, without its newline, that has come since the last time and is asked for.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read, or a line cannot be told.
    pub fn tell<E: From<Unreadable>>(
        &mut self,
        filters: &Filters,
        tell: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let passed_over = &mut self.passed_over;
        // What stands behind the last record that counts is void; what stands before one is not.
        let mut in_doubt: Option<PassedOver> = None;
        self.forward.read(&mut |line| {
            let earlier = in_doubt.take().filter(|it| it.path == line.path);
            let whole = line.bytes.strip_suffix(b"\n");
            let fields = whole.map(serde_json::from_slice::<Fields<'_>>);
            if let (Some(Ok(fields)), Some(whole)) = (fields, whole) {
                pass_over(passed_over, earlier);
                if filters.admit(&fields) {
                    tell(whole)?;
                }
                return Ok(Go::On);
            }
            let here = PassedOver::one(line.path, line.offset).and_earlier(earlier);
            if line.may_be_void {
                in_doubt = Some(here);
            } else {
                pass_over(passed_over, Some(here));
            }
            Ok(Go::On)
        })
    }

    /// Hands over the lines that are no records and have come since this was asked last.
    pub fn take_passed_over(&mut self) -> Option<PassedOver> {
        self.passed_over.take()
    }
}

fn pass_over(so_far: &mut Option<PassedOver>, more: Option<PassedOver>) {
    if let Some(more) = more {
        *so_far = Some(more.and_earlier(so_far.take()));
    }
}

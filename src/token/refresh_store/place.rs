//! Where a refresh token is kept outside this machine, and what can be wrong there, in one form for each
//! store that is asked over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::Full;

use crate::{
    http_client::{HttpClient, HttpError},
    token::refresh_store::error::StoreError,
};

/// A place, in words for the log.
#[derive(Clone, Debug)]
pub(in crate::token::refresh_store) struct Place(pub(in crate::token::refresh_store) String);

/// Limits of one exchange.
#[derive(Clone, Copy, Debug)]
pub(in crate::token::refresh_store) struct Within {
    pub(in crate::token::refresh_store) time: Duration,
    pub(in crate::token::refresh_store) bytes: usize,
}

impl Place {
    /// Asks once.
    pub(in crate::token::refresh_store) async fn ask(
        &self,
        http: &HttpClient,
        request: Request<Full<Bytes>>,
        within: Within,
    ) -> Result<(StatusCode, Bytes), StoreError> {
        let answer = http.exchange(request, within.time, within.bytes).await;
        let answer = answer.map_err(|source| self.unreachable(source))?;
        Ok((answer.status, answer.body))
    }

    pub(in crate::token::refresh_store) fn empty(&self) -> StoreError {
        let place = self.0.clone();
        StoreError::Empty { place }
    }

    pub(in crate::token::refresh_store) fn malformed(&self) -> StoreError {
        let place = self.0.clone();
        StoreError::Malformed { place }
    }

    pub(in crate::token::refresh_store) fn refused(&self, status: StatusCode) -> StoreError {
        let place = self.0.clone();
        StoreError::Refused { place, status }
    }

    pub(in crate::token::refresh_store) fn odd(&self, what: &'static str) -> StoreError {
        let place = self.0.clone();
        StoreError::Odd { place, what }
    }

    pub(in crate::token::refresh_store) fn contended(&self) -> StoreError {
        let place = self.0.clone();
        StoreError::Contended { place }
    }

    fn unreachable(&self, source: HttpError) -> StoreError {
        let place = self.0.clone();
        StoreError::Unreachable { place, source }
    }
}

/// A URL that paths can be put behind.
pub(in crate::token::refresh_store) fn base(url: &Uri) -> String {
    url.to_string().trim_end_matches('/').to_owned()
}

//! One trip to the token endpoint: the client credentials grant over the `oauth2` crate.
//!
//! The crate drops headers and keeps raw bodies in its errors, so [`Endpoint`] turns every answer but
//! a 200 into an error of ours, and nothing of the crate's own parse errors is kept.

use std::{pin::Pin, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use http_body_util::Full;
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, RequestTokenError, Scope, StandardRevocableToken, TokenResponse as _, TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use crate::{
    clock::SharedClock,
    http_client::{HttpClient, HttpError},
    token::{
        Settings,
        access_token::{AccessToken, Life},
        claims,
        response::{EntraErrorBody, EntraTokenResponse},
        secret::SecretError,
    },
};

/// Fetches tokens for one credential.
#[derive(Debug)]
pub struct Grant {
    settings: Settings,
    token_url: TokenUrl,
    endpoint: Endpoint,
}

/// No token came of a trip to the token endpoint.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The client secret cannot be read.
    #[error("reading the client secret")]
    Secret(#[from] SecretError),
    /// The token endpoint gave no whole answer.
    #[error("asking the token endpoint")]
    Unreachable(#[source] HttpError),
    /// The token endpoint refused.
    #[error("the token endpoint answered {} {:?} {:?}", .0.status.as_u16(), .0.error, .0.error_codes)]
    Refused(Box<Refusal>),
    /// The token endpoint answered 200 with something that is not a usable token.
    #[error("the token endpoint's answer is not usable: {0}")]
    Malformed(&'static str),
    /// The token is for somebody or something else.
    #[error("the token received has another {0:?} than asked for")]
    Foreign(&'static str),
}

/// What a refusal says, as far as it may be logged.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// How long to stay away.
    pub retry_after: Option<Duration>,
    /// The OAuth error, such as `invalid_client`.
    pub error: String,
    /// A refinement of the error.
    pub suberror: Option<String>,
    /// The AADSTS numbers.
    pub error_codes: Vec<u64>,
    /// Names the refusal in Microsoft's own logs.
    pub trace_id: Option<String>,
    /// Names the exchange in Microsoft's own logs.
    pub correlation_id: Option<String>,
}

/// The configured authority and tenant do not make a URL.
#[derive(Debug, thiserror::Error)]
#[error("authority {authority} and tenant {tenant:?} do not make a token endpoint")]
pub struct BadEndpoint {
    authority: Uri,
    tenant: String,
}

impl Grant {
    /// Prepares the grant for one credential.
    ///
    /// # Errors
    ///
    /// When authority and tenant do not make a URL.
    pub fn new(
        settings: Settings,
        http: HttpClient,
        clock: SharedClock,
    ) -> Result<Self, BadEndpoint> {
        let authority = settings.authority.to_string();
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            authority.trim_end_matches('/'),
            settings.tenant
        );
        let token_url = TokenUrl::new(url).map_err(|_| BadEndpoint {
            authority: settings.authority.clone(),
            tenant: settings.tenant.clone(),
        })?;
        Ok(Self {
            settings,
            token_url,
            endpoint: Endpoint { http, clock },
        })
    }

    /// Fetches a new token.
    ///
    /// # Errors
    ///
    /// Each way in which there is no usable token; never with any part of a token or secret in it.
    pub async fn mint(&self) -> Result<AccessToken, GrantError> {
        let secret = self.settings.client_secret.read()?;
        let client = self.client(ClientSecret::new(secret.expose_secret().to_owned()));
        let response = client
            .exchange_client_credentials()
            .add_scope(Scope::new(self.settings.scope.clone()))
            .request_async(&self.endpoint)
            .await
            .map_err(refusal)?;
        self.accept(&response)
    }

    fn client(&self, secret: ClientSecret) -> EntraClient {
        oauth2::Client::new(ClientId::new(self.settings.client_id.clone()))
            .set_client_secret(secret)
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.token_url.clone())
    }

    fn accept(&self, response: &EntraTokenResponse) -> Result<AccessToken, GrantError> {
        if *response.token_type() != BasicTokenType::Bearer {
            return Err(GrantError::Malformed("its token type is not Bearer"));
        }
        let lasts = response
            .lasts()
            .ok_or(GrantError::Malformed("its life is under a minute"))?;
        let token = response.access_token().secret();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(GrantError::Malformed("its token is not visible ASCII"));
        }
        let expected = claims::Expected {
            tenant: &self.settings.tenant,
            client_id: &self.settings.client_id,
            audience: self.settings.scope.trim_end_matches("/.default"),
        };
        if let Some(claim) = claims::foreign_claim(token, expected) {
            return Err(GrantError::Foreign(claim));
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| GrantError::Malformed("its token does not fit a header"))?;
        authorization.set_sensitive(true);
        let life = Life {
            lasts,
            refresh_in: response.refresh_in(),
        };
        let name = claims::name(token);
        Ok(AccessToken::new(
            authorization,
            name,
            life,
            Instant::now(),
            fastrand::f64(),
        ))
    }
}

impl GrantError {
    /// Whether asking again soon is pointless: a person has to mend something first.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Secret(_) | Self::Foreign(_) => true,
            Self::Unreachable(_) | Self::Malformed(_) => false,
            Self::Refused(refusal) => refusal.is_permanent(),
        }
    }

    /// How long the token endpoint asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            Self::Secret(_) | Self::Unreachable(_) | Self::Malformed(_) | Self::Foreign(_) => None,
        }
    }
}

impl Refusal {
    fn is_permanent(&self) -> bool {
        let passing = self.status.is_server_error()
            || self.status == StatusCode::TOO_MANY_REQUESTS
            || self.status.is_redirection()
            || self.error == "temporarily_unavailable"
            || self.error == "server_error"
            || self
                .error_codes
                .iter()
                .any(|code| PASSING_CODES.contains(code));
        !passing
    }
}

/// The gateway's HTTP client in the shape the `oauth2` crate wants.
#[derive(Debug)]
struct Endpoint {
    http: HttpClient,
    clock: SharedClock,
}

impl<'c> AsyncHttpClient<'c> for Endpoint {
    type Error = GrantError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, GrantError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}

impl Endpoint {
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, GrantError> {
        let mut request = request.map(|body| Full::new(body.into()));
        let id = uuid::Uuid::new_v4().to_string();
        if let Ok(id) = HeaderValue::try_from(id) {
            request.headers_mut().insert("client-request-id", id);
        }
        request
            .headers_mut()
            .insert("return-client-request-id", HeaderValue::from_static("true"));
        let answer = self
            .http
            .exchange(request, TOKEN_TIMEOUT, TOKEN_BODY_LIMIT_BYTES)
            .await
            .map_err(GrantError::Unreachable)?;
        if answer.status != StatusCode::OK {
            let now = self.clock.now();
            let body = serde_json::from_slice::<EntraErrorBody>(&answer.body).unwrap_or_default();
            return Err(GrantError::Refused(Box::new(Refusal {
                status: answer.status,
                retry_after: retry_after(&answer.headers, now),
                error: loggable(body.error),
                suberror: body.suberror.map(loggable),
                error_codes: body.error_codes,
                trace_id: body.trace_id.map(loggable),
                correlation_id: body.correlation_id.map(loggable),
            })));
        }
        let mut response = HttpResponse::new(answer.body.to_vec());
        if let Some(kind) = answer.headers.get(header::CONTENT_TYPE) {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, kind.clone());
        }
        Ok(response)
    }
}

type EntraClient = oauth2::Client<
    BasicErrorResponse,
    EntraTokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Keeps our own error and drops what the crate made itself, because its parse error holds the body.
fn refusal(error: RequestTokenError<GrantError, BasicErrorResponse>) -> GrantError {
    match error {
        RequestTokenError::Request(ours) => ours,
        RequestTokenError::Parse(_, _) => GrantError::Malformed("it is not a token response"),
        RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_) => {
            GrantError::Malformed("it is empty or not JSON")
        }
    }
}

/// Reads `Retry-After` as seconds or as a date; unreadable is absent, the past is now.
fn retry_after(headers: &HeaderMap, now: std::time::SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(now)
            .unwrap_or_default(),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// Keeps a foreign text short and on one line.
fn loggable(text: String) -> String {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    if text.len() <= LOGGABLE_LENGTH && text.chars().all(plain) {
        return text;
    }
    text.chars()
        .filter(|c| plain(*c))
        .take(LOGGABLE_LENGTH)
        .collect()
}

/// AADSTS numbers that Microsoft documents as transient, and 50196, a throttle in disguise.
const PASSING_CODES: [u64; 13] = [
    50196, 90006, 90012, 90024, 90033, 90055, 90090, 50033, 50087, 50088, 40010, 80005, 70012,
];

/// Long enough for a slow sign-in service, short enough to leave time for the call itself.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Token answers are a few KiB; anything near this is not one.
const TOKEN_BODY_LIMIT_BYTES: usize = 256 * 1024;

/// Microsoft's libraries cap `Retry-After` at one hour.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The longest piece of a refusal that goes into the log.
const LOGGABLE_LENGTH: usize = 128;

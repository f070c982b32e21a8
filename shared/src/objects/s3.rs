//! S3, by the three requests that snapshots need.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>, `PutObject` with `If-None-Match: *`, `DeleteObject`. Each is tried again
//! when S3 is busy or does not answer, on a new connection.

use std::fmt;
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use lambda_http::http::{Method, Request};
use tokio::time::{sleep, timeout};

use super::{ObjectError, lock};
use crate::bounds::{OBJECT_READ_TRY, OBJECT_TRIES, OBJECT_WRITE_TRY};
use crate::error::causes;

/// The variables with which the SDK and we can be pointed at another S3, the first that is set counts.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// The pause after the first try that failed; each further one doubles it.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections that were quiet for so long are not used again: an instance may have been frozen meanwhile.
const QUIET: Duration = Duration::from_secs(5);

/// For how long credentials are used before they are asked for again.
const CREDENTIALS_LIFE: Duration = Duration::from_secs(60);

/// The code of an error of S3 is within the first bytes of its body.
const ERROR_BYTES: usize = 2_000;

/// The most memory that is taken for a body because its length is announced; more is taken as it comes.
const BODY_AT_ONCE: usize = 4 * 1_024 * 1_024;

/// A bucket.
pub struct S3 {
    /// Where it is, without the slash before an object's name.
    base: String,
    region: String,
    credentials: SharedCredentialsProvider,
    state: Mutex<State>,
}

/// What a bucket's requests share.
struct State {
    connector: SharedHttpConnector,
    /// When something was last received, by the clock that goes on while an instance is frozen.
    heard: SystemTime,
    credentials: Option<(Credentials, SystemTime)>,
}

/// Why a try failed.
enum Failure {
    Final(ObjectError),
    /// The next try can succeed.
    Passing(String),
}

impl fmt::Debug for S3 {
    /// Without the credentials.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("S3").field("base", &self.base).finish_non_exhaustive()
    }
}

impl S3 {
    /// The bucket of this name, in the region and with the credentials of `config`; at another endpoint where the environment names one.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Refused`] when region or credentials are missing.
    pub fn bucket(config: &SdkConfig, bucket: &str) -> Result<Self, ObjectError> {
        let endpoint = ENDPOINTS.iter().find_map(|name| std::env::var(name).ok().filter(|endpoint| !endpoint.is_empty()));
        Self::at(config, bucket, endpoint.as_deref())
    }

    /// The bucket at an endpoint, or else where AWS has it.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Refused`] when region or credentials are missing.
    pub fn at(config: &SdkConfig, bucket: &str, endpoint: Option<&str>) -> Result<Self, ObjectError> {
        let missing = |what: &str| ObjectError::Refused(format!("the AWS configuration has no {what}"));
        let region = config.region().ok_or_else(|| missing("region"))?.to_string();
        let credentials = config.credentials_provider().ok_or_else(|| missing("credentials"))?;
        let base = match endpoint {
            Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
            None => {
                let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                format!("https://{bucket}.s3.{region}.{suffix}")
            }
        };
        let state = State { connector: connector(), heard: SystemTime::UNIX_EPOCH, credentials: None };
        Ok(Self { base, region, credentials, state: Mutex::new(state) })
    }

    pub(super) async fn read(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        let Some(last) = range.end.checked_sub(1).filter(|last| range.start <= *last) else { return Ok(Vec::new()) };
        let bytes = format!("bytes={}-{last}", range.start);
        let body = self.send(Method::GET, name, &[("range", &bytes)], &[], OBJECT_READ_TRY).await?;
        // An object that is shorter gives what it has.
        if body.len() as u64 == range.end - range.start { Ok(body) } else { Err(ObjectError::Missing(name.to_owned())) }
    }

    pub(super) async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.send(Method::PUT, name, &[("if-none-match", "*")], &bytes, OBJECT_WRITE_TRY).await.map(drop)
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        match self.send(Method::DELETE, name, &[], &[], OBJECT_WRITE_TRY).await {
            Ok(_) | Err(ObjectError::Missing(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn connect(&self) {
        // Whatever the answer is, there is a connection then.
        let _nothing = self.try_once(&Method::GET, "connect", &[("range", "bytes=0-0")], &[]).await;
    }

    async fn send(
        &self,
        method: Method,
        name: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        within: Duration,
    ) -> Result<Vec<u8>, ObjectError> {
        let mut reason = String::new();
        for number in 0..OBJECT_TRIES {
            if number > 0 {
                sleep(PAUSE * (1 << (number - 1))).await;
            }
            let tried = timeout(within, self.try_once(&method, name, headers, body)).await;
            match tried.unwrap_or_else(|_| Err(Failure::Passing(format!("no answer within {within:?}")))) {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(why)) => {
                    reason = why;
                    lock(&self.state).connector = connector();
                }
            }
        }
        Err(ObjectError::Unavailable(reason))
    }

    async fn try_once(&self, method: &Method, name: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Vec<u8>, Failure> {
        let refused = |error: &dyn fmt::Display| Failure::Final(ObjectError::Refused(error.to_string()));
        let credentials = self.credentials().await?;
        let url = format!("{}/{name}", self.base);
        let mut request = Request::builder().method(method.clone()).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(SdkBody::from(body)).map_err(|error| refused(&error))?;
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| refused(&error))?;
        let signable = SignableRequest::new(method.as_str(), &url, headers.iter().copied(), SignableBody::Bytes(body));
        let signed = sign(signable.map_err(|error| refused(&error))?, &parameters.into()).map_err(|error| refused(&error))?;
        signed.into_parts().0.apply_to_request_http1x(&mut request);
        let request = HttpRequest::try_from(request).map_err(|error| refused(&error))?;

        let sent = self.connector().call(request);
        let answer = sent.await.map_err(|error| Failure::Passing(causes(&error)))?;
        let status = answer.status().as_u16();
        let mut chunks = ByteStream::new(answer.into_body());
        let announced = usize::try_from(chunks.size_hint().0).unwrap_or(usize::MAX);
        let mut body = Vec::with_capacity(announced.min(BODY_AT_ONCE));
        while let Some(chunk) = chunks.try_next().await.map_err(|error| Failure::Passing(causes(&error)))? {
            body.extend_from_slice(&chunk);
        }
        lock(&self.state).heard = SystemTime::now();
        match status {
            200..300 => Ok(body),
            // A try whose answer was lost did it: nobody else has the name.
            412 if *method == Method::PUT => Ok(Vec::new()),
            404 | 416 => Err(Failure::Final(ObjectError::Missing(name.to_owned()))),
            429 | 500.. => Err(Failure::Passing(format!("status {status} {}", code(&body)))),
            // Without the permission to list, an object that is not there is a 403 as well.
            _ => Err(Failure::Final(ObjectError::Refused(format!("status {status} {}", code(&body))))),
        }
    }

    /// The connections, which are new ones when the last answer is long ago.
    fn connector(&self) -> SharedHttpConnector {
        let mut state = lock(&self.state);
        if state.heard.elapsed().is_ok_and(|quiet| quiet > QUIET) && state.heard > SystemTime::UNIX_EPOCH {
            state.connector = connector();
        }
        state.connector.clone()
    }

    async fn credentials(&self) -> Result<Credentials, Failure> {
        let is_valid = |(credentials, since): &(Credentials, SystemTime)| {
            let now = SystemTime::now();
            now.duration_since(*since).is_ok_and(|age| age < CREDENTIALS_LIFE)
                && credentials.expiry().is_none_or(|expiry| now + CREDENTIALS_LIFE < expiry)
        };
        let known = lock(&self.state).credentials.clone().filter(is_valid);
        if let Some((credentials, _)) = known {
            return Ok(credentials);
        }
        let found = self.credentials.provide_credentials().await;
        let credentials = found.map_err(|error| Failure::Final(ObjectError::Refused(causes(&error))))?;
        lock(&self.state).credentials = Some((credentials.clone(), SystemTime::now()));
        Ok(credentials)
    }
}

fn connector() -> SharedHttpConnector {
    SharedHttpConnector::new(Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build())
}

/// The code in the body of an error: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
fn code(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(ERROR_BYTES)]);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    code.filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric())).unwrap_or_default().to_owned()
}

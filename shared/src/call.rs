//! One call from end to end: the event of API Gateway becomes a [`Call`], the caller is known, the handler answers, an error
//! becomes its envelope, and the answer tells what it cost.
//!
//! The event is taken apart here and not by `lambda_http`, whose conversion panics on a `Host` header or a query that is not
//! a URI, or a body that is not base64: see `docs/adr/0004-own-event-conversion.md`.

use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lambda_http::http::header::CACHE_CONTROL;
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument;

use crate::api_key::KeyRing;
use crate::caller::Caller;
use crate::clock;
use crate::envelope::{self, Response};
use crate::error::Error;
use crate::handling::Handling;
use crate::meter::{Meter, Readings};
use crate::metrics::{Answered, milliseconds};
use crate::object_id::{self, ObjectId};
use crate::parameters::Parameters;
use crate::store::Store;
use crate::timestamp::Timestamp;
use crate::writes::Writer;

/// The header with the name of the request, which the log has too.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request whose caller is known.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// The path of the request, decoded, with the stage or version in front.
    pub path: String,
    /// The `{id}` of the path, whatever it is.
    pub id: Option<String>,
    /// The query string as the client sent it.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// How to treat what the call does not know of the request.
    pub handling: Handling,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// When the call came. A write takes a time of its own, immediately before it is sent.
    pub now: Timestamp,
    /// What the call costs.
    pub meter: Meter,
    /// The last moment at which the handler may answer; after it the call answers 503 without the handler.
    pub last_moment: Instant,
}

impl Call {
    /// The contact that the path names.
    ///
    /// # Errors
    ///
    /// [`Error::ContactNotFound`] when it is not an ObjectId, because no contact has such an id.
    pub fn contact_id(&self) -> Result<ObjectId, Error> {
        self.id.as_deref().and_then(|id| id.parse().ok()).ok_or(Error::ContactNotFound)
    }

    /// What a write of this call works with.
    pub fn writer<'a>(&'a self, store: &'a Store) -> Writer<'a> {
        Writer { store, meter: &self.meter, caller: &self.caller, handling: &self.handling }
    }

    /// Says that the call has no parameters but those of its path, so that all in the query are unknown.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParameter`] when there are some and the request asks for strict handling.
    pub fn takes_no_parameters(&self) -> Result<(), Error> {
        Parameters::of(&self.query, &self.handling).finish()
    }
}

/// Whether a call was answered in this process before.
pub(crate) static WAS_CALLED: AtomicBool = AtomicBool::new(false);

/// How long before its deadline a call is answered at the latest. What is left is for the answer's way to Lambda.
const RESERVE: Duration = Duration::from_millis(500);

/// Answers one event with `handler`, which is given `state`, before `deadline`.
pub async fn serve<S, H, F>(
    keys: &KeyRing,
    state: S,
    event: ApiGatewayV2httpRequest,
    deadline: Instant,
    handler: H,
) -> ApiGatewayV2httpResponse
where
    H: FnOnce(S, Call) -> F + Send,
    F: Future<Output = Result<Response, Error>> + Send,
{
    let start = Instant::now();
    let meter = Meter::default();
    let handling = Handling::of_request(&event.headers);
    let context = &event.request_context;
    let request_id = request_id(context.request_id.as_deref());
    let route = context.route_key.clone().unwrap_or_default();
    let contact = event.path_parameters.get("id").filter(|id| id.parse::<ObjectId>().is_ok()).cloned();
    let span = tracing::info_span!(
        "call",
        request = request_id.to_str().unwrap_or_default(),
        route,
        tenant = tracing::field::Empty,
        contact,
    );

    let tenant = OnceLock::new();
    let last_moment = deadline.checked_sub(RESERVE).unwrap_or(start);
    let known = Known { last_moment, meter: &meter, tenant: &tenant, handling: &handling };
    let answer = answer(keys, state, event, known, handler).instrument(span.clone());
    // A defect is one call's 500; the instance and the calls beside it go on.
    let answer = AssertUnwindSafe(answer).catch_unwind();
    let result = match tokio::time::timeout_at(last_moment.into(), answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Error::Internal("a handler panicked".into())),
        // What was read is kept, so that the next call goes on from there. A write that was sent may still be applied.
        Err(_) if meter.readings().writes > 0 => Err(Error::OutcomeUnknown("the function's time is over".into())),
        Err(_) => Err(Error::Unavailable("the function's time is over".into())),
    };

    let _in_span = span.enter();
    let mut response = result.unwrap_or_else(|error| {
        error.log();
        envelope::failure(&error)
    });
    let readings = meter.readings();
    let total = start.elapsed();
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, request_id.clone());
    // Contacts are personal data, and change: no cache may show them to others, or without asking.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.extend(handling.headers());
    headers.extend(cost(&readings, total));
    let answered = Answered {
        now: clock::now(),
        request: request_id.to_str().unwrap_or_default(),
        route: &route,
        tenant: tenant.get().map(String::as_str),
        contact: contact.as_deref(),
        status: response.status().as_u16(),
        total,
        is_cold: !WAS_CALLED.swap(true, Ordering::Relaxed),
        readings: &readings,
    };
    answered.log();
    event_of(response)
}

/// The name that the gateway gave the request, or a new one where it gave none that a header can carry.
fn request_id(of_gateway: Option<&str>) -> HeaderValue {
    let of_gateway = of_gateway.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()));
    let id = of_gateway.map_or_else(|| object_id::generate(clock::now()).to_string(), str::to_owned);
    HeaderValue::try_from(id).expect("visible ASCII characters are a header value")
}

/// What is known of a call before its caller is, and what is learnt of it while it is answered.
struct Known<'a> {
    last_moment: Instant,
    meter: &'a Meter,
    tenant: &'a OnceLock<String>,
    handling: &'a Handling,
}

async fn answer<S, H, F>(
    keys: &KeyRing,
    state: S,
    event: ApiGatewayV2httpRequest,
    known: Known<'_>,
    handler: H,
) -> Result<Response, Error>
where
    H: FnOnce(S, Call) -> F,
    F: Future<Output = Result<Response, Error>>,
{
    let Known { last_moment, meter, tenant, handling } = known;
    let now = clock::now();
    let (caller, again) = keys.authenticate(meter, &event.headers, now).await?;
    tracing::Span::current().record("tenant", &caller.tenant);
    tenant.get_or_init(|| caller.tenant.clone());
    let body = match event.body {
        Some(body) if event.is_base64_encoded => {
            BASE64_STANDARD.decode(body).map_err(|_| Error::MalformedJson("must be base64 where the event says so".to_owned()))?
        }
        Some(body) => body.into_bytes(),
        None => Vec::new(),
    };
    let call = Call {
        caller,
        path: event.raw_path.unwrap_or_default(),
        id: event.path_parameters.get("id").cloned(),
        query: event.raw_query_string.unwrap_or_default(),
        headers: event.headers,
        handling: handling.clone(),
        body,
        now,
        meter: meter.clone(),
        last_moment,
    };
    keys.beside(again, handler(state, call)).await
}

/// The headers that tell what a call cost. `Server-Timing` is that of <https://www.w3.org/TR/server-timing/>.
fn cost(readings: &Readings, total: Duration) -> [(HeaderName, HeaderValue); 3] {
    let snapshot = match readings.snapshot {
        Duration::ZERO => String::new(),
        snapshot => format!("snapshot;dur={}, ", milliseconds(snapshot)),
    };
    let timing = format!(
        "db;dur={}, index;dur={}, {snapshot}total;dur={}",
        milliseconds(readings.database),
        milliseconds(readings.index),
        milliseconds(total)
    );
    [
        ("server-timing", timing),
        ("x-dynamodb-requests", readings.requests.to_string()),
        ("x-dynamodb-capacity", format!("{:?}", (readings.capacity * 10.0).round() / 10.0)),
    ]
    .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::try_from(value).expect("numbers are a header value")))
}

fn event_of(response: Response) -> ApiGatewayV2httpResponse {
    let (parts, body) = response.into_parts();
    let mut event = ApiGatewayV2httpResponse::default();
    event.status_code = i64::from(parts.status.as_u16());
    event.headers = parts.headers;
    event.body = (!body.is_empty()).then_some(Body::Text(body));
    event
}
